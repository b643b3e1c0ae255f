import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { connect, type ConnectOptions, type Status } from '@fastify-airlock/client'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake, { type WsHandler, type WsHandshakeOptions } from '@fastify-airlock/handshake'
import wsHeartbeat, { type WsHeartbeatOptions } from '@fastify-airlock/heartbeat'
import wsHub, { type WsHubOptions } from '@fastify-airlock/hub'
import { relayTo, type StandingClock } from '@fastify-airlock/testing'
import wsTickets from '@fastify-airlock/ticket'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket } from 'ws'

/** Client and server of this commit. Another commit's have the same names. */
export const parts = { connect, websocketOptions, wsGuard, wsHandshake, wsHeartbeat, wsHub, wsTickets }

const ALIVE = '{"type":"alive"}'

interface Setup {
  handler: WsHandler
  handshake?: WsHandshakeOptions
  hub?: WsHubOptions
  heartbeat?: WsHeartbeatOptions
  maxPayload?: number
  clock?: StandingClock
  /** @default those of this commit */
  from?: typeof parts
}

/** A server with both doors behind a relay. */
export async function serve (t: Test, { handler, handshake = {}, hub = {}, heartbeat, maxPayload, clock, from = parts }: Setup) {
  const { websocketOptions, wsGuard, wsHandshake, wsHeartbeat, wsHub, wsTickets } = from
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(async () => {
    // A close may wait for timers.
    const pump = setInterval(() => clock?.pass(1_000), 5)
    await app.close().finally(() => { clearInterval(pump) })
  })
  await app.register(websocket, websocketOptions(maxPayload === undefined ? {} : { maxPayload }))
  await app.register(wsGuard)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets)
  await app.register(wsHandshake, handshake)
  await app.register(wsHub, { drain: { jitter: 1 }, ...hub })
  if (heartbeat !== undefined) await app.register(wsHeartbeat, heartbeat)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(handler))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { app, port, relay: await relayTo(port, t) }
}

/** A client of that server. Its tickets do not come through the relay. */
export function dial (t: Test, { app, relay }: Pick<Awaited<ReturnType<typeof serve>>, 'app' | 'relay'>, options: Partial<ConnectOptions<any, any>> = {}, { connect } = parts) {
  let jti = 0
  /** Signs of life that have come. A page gets no event for them. */
  const signs = { count: 0 }
  class Counting extends WebSocket {
    constructor (url: string, protocols?: string[]) {
      super(url, protocols, { perMessageDeflate: false })
      this.on('message', data => { if (String(data) === ALIVE) signs.count++ })
    }
  }
  const connection = connect<any, any>({
    url: `ws://127.0.0.1:${relay.port}/ws`,
    WebSocket: Counting as unknown as NonNullable<ConnectOptions['WebSocket']>,
    getTicket: async () => (await app.wsTickets.issue('alice')).ticket,
    getToken: () => app.jwt.sign({ sub: 'alice', jti: `${jti++}` }, { expiresIn: 86_400 }),
    random: () => 0.5,
    ...options
  })
  t.teardown(() => { connection.close() })
  const statuses: Status[] = []
  connection.on('status', status => { statuses.push(status) })
  const closes: number[] = []
  connection.on('close', ({ code }) => { closes.push(code) })
  return { connection, signs, statuses, closes }
}
