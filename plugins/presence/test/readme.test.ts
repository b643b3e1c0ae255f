import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import wsPresence from '../src/index.js'
import { clientOf, connectTo } from './helpers.js'

const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>

t.test('the blocks of the README run as they stand there', async t => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsHandshake)
  for (const [, block = ''] of readme.matchAll(/```ts\n(.*?)```/gs)) {
    await new AsyncFunction('app', 'wsHub', 'wsPresence', block.replace(/^import .*\n/gm, ''))(app, wsHub, wsPresence)
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`)
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  const alice = clientOf(socket)
  alice.send({ type: 'auth', token: app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 }), presence: true })
  t.match(await alice.of('auth_ok'), { presence: { max: 20 } })
  t.match(await alice.watch('team/alice'), { type: 'presence:list', total: 0 })
  t.match(await alice.watch('team/bob'), { type: 'presence:refused', code: 'forbidden' })
  t.same((await app.inject('/online')).json(), ['alice'])
  const guest = await connectTo(t, `ws://127.0.0.1:${port}/one-door`)
  t.match(await guest.watch('team/guests'), { type: 'presence:list', total: 1, here: [{ subject: '127.0.0.1' }] })
})
