import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { markRoutePart, pendingPlacesOf, Places, setPlaces, websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance } from 'fastify'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import net from 'node:net'
import t from 'tap'
import { wsHandshake } from '../src/index.js'
import { build, connect, refused, secret, upgrade } from './helpers.js'

const full = (): Places => new Places(0)

t.test('an upgrade is refused before its 101 while the server has no place', async t => {
  const { app, port, lines } = await build(t)
  const published: unknown[] = []
  const listener = (event: unknown): void => { published.push(event) }
  subscribe('airlock:handshake:refuse', listener)
  t.teardown(() => unsubscribe('airlock:handshake:refuse', listener))
  pendingPlacesOf(app.server).limitTo(1)
  const first = connect(t, port)
  await first.opened()
  const { response, body } = await ask(port)
  t.match(response, /^HTTP\/1\.1 503 /)
  t.match(response, /^retry-after: 5$/mi)
  t.same(body, { statusCode: 503, code: 'WSA_HANDSHAKE_ERR_FULL', error: 'Service Unavailable', message: 'The server has no place left' })
  t.same(published, [{ code: 503, reason: 'full' }])
  t.match(lines.map(line => JSON.parse(line)).find(({ code }) => code === 'WSA_HANDSHAKE_ERR_FULL'), { level: 30, msg: 'websocket upgrade refused' })
  t.notMatch(lines.join(''), /"level":[456]0/)

  unsubscribe('airlock:handshake:refuse', listener)
  t.match((await ask(port)).response, /^HTTP\/1\.1 503 /)
  first.socket.terminate()
  while (pendingPlacesOf(app.server).taken > 0) await new Promise(resolve => setTimeout(resolve, 5))
  await connect(t, port).opened()
})

t.test('who could not be refused before is closed with 1013', async t => {
  const { app, port } = await build(t, { prepare: app => { app.addHook('preHandler', async () => { pendingPlacesOf(app.server).limitTo(0) }) } })
  await refused(t, connect(t, port), 1013, 'too many unauthenticated connections', true)
  t.equal(pendingPlacesOf(app.server).taken, 0)
})

for (const [name, hub, options, status] of [
  ['a hub that is full', full(), {}, 503],
  ['a hub that has room', new Places(1), {}, 101],
  ['a hub without a limit', null, {}, 101],
  ['a full hub that the route does not lead to', full(), { hub: false }, 101]
] as const) {
  t.test(`the hub is asked as well: ${name}`, async t => {
    const decorated = { add: () => true }
    setPlaces(decorated, hub)
    const { port } = await build(t, { options, finish: app => app.decorate<unknown>('wsHub', decorated) })
    t.match((await ask(port)).response, `HTTP/1.1 ${status} `)
  })
}

t.test('a plain request is no upgrade, and the other hooks of the route run', async t => {
  const asked: string[] = []
  const { app, port } = await build(t, {
    finish: (app: FastifyInstance) => {
      pendingPlacesOf(app.server).limitTo(0)
      app.get('/other', { websocket: true, preValidation: async request => { asked.push(request.url) } }, app.wsHandshake(() => {}))
    }
  })
  t.equal((await app.inject('/ws')).statusCode, 404)
  t.equal((await app.inject('/other')).statusCode, 404)
  t.same(asked, ['/other'])
  t.match((await ask(port, '/other')).response, /^HTTP\/1\.1 503 /)
  t.same(asked, ['/other'], 'a full server does no more work')
})

t.test('pendingTotal is for the whole server', async t => {
  const { app } = await build(t)
  t.throws(() => app.wsHandshake(() => {}, { pendingTotal: 5 }), { code: 'WSA_HANDSHAKE_ERR_OPTION', message: /pendingTotal: give it where you register the plugin/ })
  for (const pendingTotal of [0, -1, 1.5, '5', Infinity]) {
    await t.rejects(build(t, { options: { pendingTotal: pendingTotal as number } }), { code: 'WSA_HANDSHAKE_ERR_OPTION', message: /pendingTotal/ })
  }
})

t.test('the plugin is told pendingTotal, and a route is checked once, by its guard if it has one', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(fastifyJwt, { secret })
  await app.register(wsHandshake, { pendingTotal: 1 })
  t.same([{}, {}].map(holder => pendingPlacesOf(app.server).take(holder)), [true, false])
  const hooks: Record<string, number> = {}
  app.addHook('onRoute', ({ url, method, preValidation = [] }) => { if (method === 'GET') hooks[url] = [preValidation].flat().length })
  const guard = markRoutePart((_request: unknown, _reply: unknown, done: () => void) => done(), { name: 'guard', role: 'hook', authenticates: true, fail: (_mistake, detail) => new Error(detail) })
  const other = markRoutePart((_request: unknown, _reply: unknown, done: () => void) => done(), { name: 'dial', role: 'hook', authenticates: false, fail: (_mistake, detail) => new Error(detail) })
  app.get('/none', { websocket: true }, app.wsHandshake(() => {}))
  app.get('/own', { websocket: true, preValidation: async () => {} }, app.wsHandshake(() => {}))
  app.get('/other', { websocket: true, preValidation: [other] }, app.wsHandshake(() => {}))
  app.get('/guarded', { websocket: true, preValidation: [guard] }, app.wsHandshake(() => {}))
  app.register(async scope => { scope.get('/', { websocket: true }, scope.wsHandshake(() => {})) }, { prefix: '/both' })
  await app.ready()
  t.same(hooks, { '/none': 1, '/own': 2, '/other': 2, '/guarded': 1, '/both': 1 })
})

t.test('who has a place already is not asked again', async t => {
  const { app, port } = await build(t, {
    prepare: app => { app.addHook('preValidation', async request => { pendingPlacesOf(app.server).take(request.raw); pendingPlacesOf(app.server).limitTo(1) }) }
  })
  // As a guard of the scope would have taken it. Nobody passes it on here, so the socket finds none.
  await refused(t, connect(t, port), 1013, 'too many unauthenticated connections', true)
  t.equal(pendingPlacesOf(app.server).taken, 1)
})

/** Sends an upgrade, and returns the head of the answer and the JSON of a refusal. */
async function ask (port: number, path?: string): Promise<{ response: string, body?: object }> {
  const socket = net.connect(port, '127.0.0.1')
  socket.write(upgrade(path))
  let response = ''
  for await (const chunk of socket) {
    response += String(chunk)
    if (response.startsWith('HTTP/1.1 101 ') && response.includes('\r\n\r\n')) break
  }
  socket.destroy()
  const [head = '', text = ''] = response.split('\r\n\r\n')
  return { response: head, ...text.startsWith('{') && { body: JSON.parse(text) as object } }
}
