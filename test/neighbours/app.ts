import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import wsGuard, { type GuardPluginOptions, logSerializers, notFoundHandler, websocketOptions } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import { createSigner, createVerifier } from 'fast-jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import type { Test } from 'tap'
import { NAMES, NEIGHBOURS, PAGE, signsIn } from './table.js'

const secret = 'a secret for tests that is long enough'
const verify = createVerifier({ key: secret })
const sign = createSigner({ key: secret, expiresIn: 60_000 })

/** Where a neighbour is registered: before all of ours, where the docs put it, or after all of ours. */
export type Place = 'first' | 'documented' | 'last'

export interface Build {
  /** @default 'documented' */
  place?: Place
  guard?: GuardPluginOptions
  /** Declares more routes. */
  routes?: (app: FastifyInstance) => void
}

class Refused extends Error {
  readonly statusCode = 401
}

/** A server that listens, with all of ours and some neighbours. */
export async function build (t: Test, names: string[], { place = 'documented', guard, routes = () => {} }: Build = {}) {
  const all = new Set(names)
  const log: Array<{ level: number, msg: string }> = []
  const stream = new Writable({
    write (line, _encoding, done) {
      log.push(JSON.parse(String(line)))
      done()
    }
  })
  const app = Fastify({ logger: { level: 'trace', stream, serializers: logSerializers() } })
  t.teardown(() => app.close())
  app.setNotFoundHandler(notFoundHandler())
  const neighbours = async (here: Place): Promise<void> => {
    if (here !== place) return
    await app.register(cookie)
    for (const name of NAMES) if (all.has(name)) await NEIGHBOURS[name]?.register(app, all)
  }

  await neighbours('first')
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard, { allowedOrigins: [PAGE], ...guard })
  await neighbours('documented')
  const user = signsIn(all)
  if (user === undefined) {
    await app.register(jwt, { secret })
    await app.register(wsTickets)
    await app.register(wsHandshake)
  } else {
    await app.register(wsTickets, {
      allowedOrigins: [PAGE],
      route: {
        authenticate: async request => { if (user.userOf(request) === undefined) throw new Refused('Sign in') },
        subject: user.userOf
      }
    })
    await app.register(wsHandshake, { jwt: { verify } })
  }
  await app.register(wsHub)
  await neighbours('last')

  app.post('/login', async request => {
    await user?.login(request)
    return { token: sign({ sub: 'alice' }) }
  })
  routes(app)
  const admit = app.wsGuard()
  app.get('/ws', { websocket: true, preValidation: all.has('auth') ? app.auth([refuse, admit]) : admit }, app.wsHandshake((socket, { wsIdentity }) => {
    socket.send(JSON.stringify({ type: 'hello', to: wsIdentity.subject }))
    socket.on('message', data => socket.send(data as Buffer))
  }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, log, sign, hasSession: user !== undefined, port: (app.server.address() as AddressInfo).port }
}

async function refuse (): Promise<void> {
  throw new Refused('No key')
}
