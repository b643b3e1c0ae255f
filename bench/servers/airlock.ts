import { subscribe } from 'node:diagnostics_channel'
import type { AddressInfo } from 'node:net'
import jwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import { RedisStore } from '@fastify-airlock/ticket/redis'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { jwtKeys } from './jwt-keys.js'
import { optionsOf } from './not-everywhere.js'
import { LISTEN, type Settings, type Started } from './settings.js'

/** Limits that this load, all of it from one address, would hit and people do not; the results name them. */
const RAISED = { messageRate: { perSecond: 1e9, burst: 1e9 } }
const RAISED_GUARD = { connectionsPerAddress: Infinity }

/** The server of the quick start in the README, with every check on. */
export async function airlock (settings: Settings): Promise<Started> {
  const { keys, redisUrl, heartbeat, audit } = settings
  const options = optionsOf(settings)
  // What it costs to make the events, whatever is done with them.
  if (audit) subscribe('airlock:audit', () => {})
  const app = Fastify()
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard, { ...RAISED_GUARD, allowedOrigins: ['https://app.example.com'], ...options.guard })
  await app.register(jwt, jwtKeys(keys))
  await app.register(wsTickets, { ...redisUrl !== undefined && { store: redisStore(redisUrl) }, ...options.tickets })
  await app.register(wsHandshake, options.handshake)
  await app.register(wsHub, RAISED)
  if (heartbeat) await app.register(wsHeartbeat)
  const route = { websocket: true as const, preValidation: app.wsGuard() }
  app.get('/ws', route, app.wsHandshake((socket, { wsIdentity }) => {
    socket.on('message', data => app.wsHub.broadcast({ from: wsIdentity.subject, text: String(data) }))
  }))
  app.get('/room', route, app.wsHandshake((socket, { wsIdentity }) => {
    app.wsHub.join(socket, 'news')
    socket.on('message', data => app.wsHub.broadcast({ from: wsIdentity.subject, text: String(data) }))
  }))
  app.get('/echo', route, app.wsHandshake(socket => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  }))
  await app.listen(LISTEN)
  return {
    port: (app.server.address() as AddressInfo).port,
    connections: () => app.wsHub.count(),
    ...heartbeat && { pings: () => app.wsHeartbeat.pings },
    broadcast (text, times) { for (let count = 0; count < times; count++) app.wsHub.broadcast(text) },
    issue: async subject => (await app.wsTickets.issue(subject)).ticket
  }
}

/** As the README of the ticket plugin says. */
function redisStore (url: string): RedisStore {
  return new RedisStore(new Redis(url, { maxRetriesPerRequest: 0, socketTimeout: 5000 }))
}
