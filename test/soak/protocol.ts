import type { HubStats } from '@fastify-airlock/hub'

/** What a node is told at its start. */
export interface Settings {
  name: string
  mongodb: string
  redis: string
  secret: string
  /** 0 for any. */
  port: number
}

/** What a node's parent asks. */
export interface Question {
  id: number
  ask: 'state' | 'publish'
  /** For `state`, whether the garbage is collected before; for `publish`, whether to. */
  on?: boolean
}

/** How a node is. Sizes in bytes. */
export interface NodeState {
  /** Without compiled code. */
  heap: number
  /** Compiled code. */
  code: number
  external: number
  rss: number
  /** TCP connections of its server. */
  sockets: number
  /** WebSockets, authenticated or not. */
  clients: number
  /** Upgrades under way. */
  pending: number
  /** Connections in the hub. */
  connections: number
  bus: 'none' | 'up' | 'down'
  stats: HubStats
}

/** What a node tells its parent. */
export type Message =
  { kind: 'listening', port: number } | { kind: 'log', line: string } | { kind: 'violation', what: string } |
  { kind: 'state', id: number, state: NodeState }
