import websocket from '@fastify/websocket'
import { pendingPlacesOf, Places, setPlaces, websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance } from 'fastify'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import wsGuard, { type GuardPluginOptions } from '../src/index.js'
import { attempt, build, clock, listen, raw, route, TICKET, ticketsOf, until, upgradeHead } from './helpers.js'

/** A server whose hub has this many places. */
async function start (t: Test, places: Places | null, guard: GuardPluginOptions = {}) {
  const app = await build(t, { guard })
  const hub = { add: () => true }
  setPlaces(hub, places)
  app.decorate<unknown>('wsHub', hub)
  return app
}

const FULL = { status: 503, code: 'WSA_GUARD_ERR_FULL', headers: { 'retry-after': '5', connection: 'close' } }

for (const refuseBeforeRouting of [false, true]) {
  t.test(`a full server refuses before it looks for a ticket, refuseBeforeRouting: ${refuseBeforeRouting}`, async t => {
    const app = await build(t, { guard: { pendingTotal: 1, refuseBeforeRouting } })
    const tickets = ticketsOf(app) as ReturnType<typeof ticketsOf> & { isUnknown?: () => boolean }
    let looked = 0
    tickets.isUnknown = () => { looked++; return true }
    route(app)
    const port = await listen(app)
    const somebody = {}
    pendingPlacesOf(app.server).take(somebody)
    t.match(await attempt(port, `/ws?ticket=${TICKET}`), FULL)
    t.equal(tickets.asked.length + looked, 0)
    t.match(await attempt(port, '/ws', [`ticket.${TICKET}`, 'airlock.v1']), FULL)
    t.equal(tickets.asked.length + looked, 0)
    t.match(await attempt(port, '/ws'), { status: 401 }, 'what is wrong in any case is told first')
    pendingPlacesOf(app.server).giveBack(somebody)
    tickets.isUnknown = () => false
    t.match(await attempt(port, `/ws?ticket=${TICKET}`), { status: 101 })
    t.equal(pendingPlacesOf(app.server).taken, 0)
  })
}

t.test('a place in the hub is taken before the ticket, and given back with each refusal', async t => {
  const places = new Places(1)
  const app = await start(t, places)
  const held: number[] = []
  app.get('/refused', { websocket: true, preValidation: app.wsGuard({ authenticate: async () => { held.push(places.taken); return null } }) }, () => {})
  app.get('/asked', { websocket: true, preValidation: app.wsGuard({ authenticate: () => { held.push(places.taken); return { subject: 'u1' } } }) }, (socket, request) => {
    held.push(places.taken)
    socket.send(JSON.stringify(request.wsIdentity))
  })
  app.get('/outside', { websocket: true, preValidation: app.wsGuard({ hub: false, authenticate: () => ({ subject: 'u1' }) }) }, (socket, request) => {
    held.push(places.taken)
    socket.send(JSON.stringify(request.wsIdentity))
  })
  const port = await listen(app)
  for (let i = 0; i < 3; i++) t.match(await attempt(port, '/refused'), { status: 401 })
  t.match(await attempt(port, '/asked'), { status: 101 })
  t.match(await attempt(port, '/outside'), { status: 101 })
  t.same(held, [1, 1, 1, 1, 1, 0])
  t.equal(places.taken, 0)
  places.take(app)
  t.match(await attempt(port, '/asked'), FULL)
  t.match(await attempt(port, '/outside'), { status: 101 })
})

t.test('an upgrade that is answered at its deadline gives its place back, though its hook hangs and its client does not leave', async t => {
  const time = clock(t)
  const places = new Places(1)
  const app = await start(t, places)
  app.get('/hangs', { websocket: true, preValidation: app.wsGuard({ authenticate: () => new Promise<null>(() => {}) }) }, () => {})
  const port = await listen(app)
  const peer = await raw(t, port, upgradeHead('/hangs'))
  await until(() => places.taken === 1)
  time.ahead += 11_000
  t.match(await peer.text, /WSA_GUARD_ERR_TIMEOUT/)
  t.equal(places.taken, 0)
})

t.test('a refusal that comes after the answer is no second one', async t => {
  const time = clock(t)
  const codes: string[] = []
  const app = await build(t, { server: { logger: { level: 'info', stream: { write: (line: string) => { codes.push(JSON.parse(line).code) } } } } })
  let answer = (_who: null): void => {}
  app.get('/late', { websocket: true, preValidation: app.wsGuard({ authenticate: () => new Promise<null>(resolve => { answer = resolve }) }) }, () => {})
  const port = await listen(app)
  const peer = await raw(t, port, upgradeHead('/late'))
  await until(() => app.wsGuard.pending === 1)
  time.ahead += 11_000
  t.match(await peer.text, /WSA_GUARD_ERR_TIMEOUT/)
  answer(null)
  await new Promise(resolve => setImmediate(resolve))
  t.same(codes.filter(code => code?.startsWith('WSA_GUARD_ERR_')), ['WSA_GUARD_ERR_TIMEOUT'])
})

t.test('upgrades of another server than that of Fastify are asked for, and take no place', async t => {
  const other = createServer()
  const app: FastifyInstance = Fastify()
  t.teardown(async () => { other.close(); await app.close() })
  const options = websocketOptions()
  await app.register(websocket, { ...options, options: { ...options.options, server: other } as object })
  await app.register(wsGuard, { connectRate: 0.1 })
  const places = new Places(1)
  const hub = { add: () => true }
  setPlaces(hub, places)
  app.decorate<unknown>('wsHub', hub)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard({ authenticate: () => ({ subject: 'u1' }) }) }, (socket, request) => { socket.send(JSON.stringify(request.wsIdentity)) })
  await app.ready()
  await new Promise<void>(resolve => { other.listen(0, '127.0.0.1', resolve) })
  const { port } = other.address() as AddressInfo
  for (let i = 0; i < 3; i++) t.match(await attempt(port, '/ws'), { status: 101 })
  t.equal(places.taken, 0)
  places.take(app)
  t.match(await attempt(port, '/ws'), { status: 503 })
})
