import type { Spec } from './server.js'

/** Every server that is compared, by the name that the results give it. */
export const PEERS = [
  { label: 'bare ws', variant: 'bare', dialect: 'plain' },
  { label: 'bare ws, 404', variant: 'bare 404', dialect: 'plain' },
  { label: 'floor', variant: 'floor', dialect: 'two doors' },
  { label: '@fastify/websocket', variant: 'fastify-websocket', dialect: 'plain' },
  { label: 'hand-written Fastify', variant: 'hand-written', dialect: 'one door' },
  { label: 'airlock', variant: 'airlock', dialect: 'two doors' },
  { label: 'airlock, no token cache', variant: 'airlock', dialect: 'two doors', settings: { tokenCache: false } },
  { label: 'airlock, route.jwt', variant: 'airlock', dialect: 'two doors', settings: { routeJwt: true } },
  { label: 'airlock, refusing before routing', variant: 'airlock', dialect: 'two doors', settings: { refuseBeforeRouting: true } },
  { label: 'airlock, audit trail', variant: 'airlock', dialect: 'two doors', settings: { audit: true } },
  { label: 'express + ws + jsonwebtoken', variant: 'express', dialect: 'one door' },
  { label: 'socket.io', variant: 'socket.io', dialect: 'socket.io' },
  { label: 'graphql-ws', variant: 'graphql-ws', dialect: 'graphql-ws' }
] as const satisfies Spec[]

/** The airlock variants with all their checks. */
export const AIRLOCKS = ['airlock', 'airlock, no token cache']

/** Peers that `bench:full` adds where clients come in. */
export const OTHERS = ['express + ws + jsonwebtoken', 'socket.io', 'graphql-ws']

/** The peer of that name. */
export function peer (label: string): Spec {
  const spec = PEERS.find(spec => spec.label === label)
  if (spec === undefined) throw new Error(`no peer is called ${label}`)
  return spec
}
