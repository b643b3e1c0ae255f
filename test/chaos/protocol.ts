import type { Position } from './ledger.js'

/** What a node is told at its start. */
export interface Settings {
  name: string
  redis: string
  secret: string
  /** 0 for any. */
  port: number
  /** Whether it has topics; without them, it has broadcasts of the hub alone. */
  topics: boolean
}

/** What a node's parent asks: to publish. */
export interface Question { id: number, topic: string, data: object, key: string }

/** What a node tells its parent. */
export type Message =
  { kind: 'listening', port: number } | { kind: 'log', line: string } |
  { kind: 'published', id: number, position?: Position | undefined } | { kind: 'failed', id: number, code: string }
