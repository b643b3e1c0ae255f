import jwtPlugin from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions, type WsIdentity } from '@fastify-airlock/core'
import wsGuard, { jwt, ticket } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub, { type HubBus } from '@fastify-airlock/hub'
import wsTickets, { MemoryStore, type TicketRecord, type TicketStore } from '@fastify-airlock/ticket'
import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { until } from './helpers.js'

/** Where somebody may be when the order comes: the test lets the hook go on after it. */
const STEPS = [
  'ticket: an earlier hook', 'ticket: trusted', 'ticket: claims', 'ticket: before the store has it', 'ticket: once the store has it',
  'ticket: on its way to the client', 'ticket: before the store gives it', 'ticket: once the store has given it', 'ticket: a later hook of the upgrade',
  'guard: isRevoked', 'guard: a later hook', 'guard: a handler that adds late', 'handshake: the guard', 'handshake: a later hook',
  'handshake: verify', 'handshake: authorize', 'handshake: isRevoked', 'refresh: verify', 'refresh: authorize', 'refresh: isRevoked'
] as const

type Step = typeof STEPS[number]

/** How many are stopped at a step at once, so that each kind of step has 1,000 races in ten rounds. */
const CROWDS = { ticket: 12, upgrade: 20, 'first frame': 34, refresh: 34 }

function kindOf (step: Step): keyof typeof CROWDS {
  if (step.startsWith('ticket')) return 'ticket'
  if (step.startsWith('refresh')) return 'refresh'
  return step === 'handshake: verify' || step === 'handshake: authorize' || step === 'handshake: isRevoked' ? 'first frame' : 'upgrade'
}

/** The steps in which there is no ticket yet. */
const REQUEST: readonly Step[] = STEPS.slice(0, STEPS.indexOf('ticket: on its way to the client'))

/** How somebody ends who was stopped at a step: with a status of the upgrade, less than 0 of the ticket request, or with a close code. */
function endOf (step: Step): number {
  if (REQUEST.includes(step)) return -401
  const isClosed = step.startsWith('handshake') || step.startsWith('refresh') || step.includes('later hook') || step === 'guard: a handler that adds late'
  return isClosed ? 4403 : 401
}

/** A bus of one process. The hub's own tests have those of several. */
class LocalBus implements HubBus {
  /** Whether messages wait, as on a slow network. */
  held = false
  #waiting: Array<() => void> = []
  readonly #listeners = new Map<string, Set<(message: any, done: () => void) => void>>()

  on (topic: string, listener: (message: any, done: () => void) => void, callback?: () => void): void {
    this.#listeners.set(topic, (this.#listeners.get(topic) ?? new Set()).add(listener))
    setImmediate(() => callback?.())
  }

  emit (message: { topic: string }): void {
    for (const listener of this.#listeners.get(message.topic) ?? []) {
      const deliver = (): void => { setImmediate(() => listener(message, () => {})) }
      if (this.held) this.#waiting.push(deliver)
      else deliver()
    }
  }

  release (): void {
    this.held = false
    for (const deliver of this.#waiting.splice(0)) deliver()
  }

  removeListener (topic: string, listener: (message: any, done: () => void) => void): void {
    this.#listeners.get(topic)?.delete(listener)
  }
}

/** Stops who comes to a step, until the test lets go. */
class Gate {
  step: Step | null = null
  waiting = 0
  #go: Array<() => void> = []

  async pass<T> (step: Step, answer: T): Promise<T> {
    if (this.step === step) {
      this.waiting++
      await new Promise<void>(resolve => this.#go.push(resolve))
    }
    return answer
  }

  open (): void {
    this.step = null
    this.waiting = 0
    for (const go of this.#go.splice(0)) go()
  }
}

/** Longer than any machine takes, in milliseconds. */
const PATIENT = 600_000

/** A store that all nodes share, and that answers like a database. */
class SharedStore implements TicketStore {
  readonly #store = new MemoryStore()
  readonly #gate: Gate

  constructor (gate: Gate) {
    this.#gate = gate
  }

  get size (): number {
    return this.#store.size
  }

  async put (hash: string, record: TicketRecord, ttl: number): Promise<void> {
    await this.#gate.pass('ticket: before the store has it', null)
    this.#store.put(hash, record, ttl)
    await this.#gate.pass('ticket: once the store has it', null)
  }

  async take (hash: string, audience: string, now: number): Promise<TicketRecord | null> {
    await this.#gate.pass('ticket: before the store gives it', null)
    return await this.#gate.pass('ticket: once the store has given it', this.#store.take(hash, audience, now))
  }

  async revoke (subject: string, session?: string): Promise<number> {
    return this.#store.revoke(subject, session)
  }

  async remove (hash: string): Promise<void> {
    this.#store.remove(hash)
  }

  close (): void {}
}

interface Node { app: FastifyInstance, port: number }

async function start (t: Test, gate: Gate, bus: HubBus | null, store: TicketStore): Promise<Node> {
  const app = Fastify()
  app.addHook('onRequest', async ({ url }) => { if (url === '/ws/ticket') await gate.pass('ticket: an earlier hook', null) })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(jwtPlugin, { secret: 'a secret for tests that is long enough' })
  await app.register(wsGuard, { missingOrigin: 'allow', upgradeTimeout: PATIENT })
  await app.register(wsTickets, {
    store,
    storeTimeout: PATIENT,
    route: {
      hookTimeout: PATIENT,
      jwt: { trusted: async () => await gate.pass('ticket: trusted', true) },
      claims: async ({ user }) => {
        const { jti, role } = user as { jti?: string, role?: string }
        return await gate.pass('ticket: claims', { jti, role })
      }
    }
  })
  await app.register(wsHandshake, { authTimeout: PATIENT })
  if (bus !== null) await app.register(wsHub, { bus, maxConnectionsPerSubject: Infinity })
  const add = (socket: WebSocket, identity: WsIdentity): void => {
    if (bus !== null) app.wsHub.add(socket, identity)
    socket.send('in')
  }
  app.get('/ticket', {
    websocket: true,
    preValidation: app.wsGuard({ authenticate: ticket() }),
    preHandler: async () => { await gate.pass('ticket: a later hook of the upgrade', null) }
  }, (socket, { wsIdentity }) => { if (socket.readyState === WebSocket.OPEN) add(socket, wsIdentity as WsIdentity) })
  const guard = app.wsGuard({ authenticate: jwt({ isRevoked: async () => await gate.pass('guard: isRevoked', false) }) })
  app.get('/guard', {
    websocket: true,
    preValidation: guard,
    preHandler: async () => { await gate.pass('guard: a later hook', null) }
  }, async (socket, { wsIdentity }) => {
    await gate.pass('guard: a handler that adds late', null)
    if (bus !== null || socket.readyState === WebSocket.OPEN) add(socket, wsIdentity as WsIdentity)
  })
  let refreshing = false
  const at = (hook: 'verify' | 'authorize' | 'isRevoked'): Step => `${refreshing ? 'refresh' : 'handshake'}: ${hook}`
  app.get('/handshake', {
    websocket: true,
    preValidation: [async () => { await gate.pass('handshake: the guard', null) }],
    preHandler: async () => { await gate.pass('handshake: a later hook', null) }
  }, app.wsHandshake(socket => {
    refreshing = gate.step?.startsWith('refresh') === true
    socket.send('in')
    socket.once('close', () => { refreshing = false })
  }, {
    jwt: { verify: async token => await gate.pass(at('verify'), app.jwt.verify(token) as object) },
    authorize: async () => await gate.pass(at('authorize'), true),
    isRevoked: async () => await gate.pass(at('isRevoked'), false)
  }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, port: (app.server.address() as AddressInfo).port }
}

/** Asks for a ticket, and connects with it. Resolves to how it ended, see {@link endOf}. */
async function useTicket (t: Test, { app, port }: Node, gate: Gate, claims: object, heard: string[]): Promise<number> {
  const token = app.jwt.sign({ sub: 'alice', ...claims }, { expiresIn: 600 })
  const response = await fetch(`http://127.0.0.1:${port}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
  const { ticket } = await response.json() as { ticket: string }
  if (response.status !== 201) return -response.status
  await gate.pass('ticket: on its way to the client', null)
  const client = new WebSocket(`ws://127.0.0.1:${port}/ticket`, ['airlock.v1', `ticket.${ticket}`])
  t.teardown(() => client.terminate())
  client.on('error', () => {})
  client.on('message', data => { heard.push(String(data)) })
  return await new Promise<number>(resolve => {
    client.on('close', code => resolve(code))
    client.on('unexpected-response', (_request, response) => resolve(response.statusCode as number))
  })
}

/** Connects, and goes as far as the step. Resolves to how it ended: a close code, or a status that refused the upgrade. */
function connect (t: Test, { app, port }: Node, step: Step, claims: object) {
  const token = app.jwt.sign({ sub: 'alice', ...claims }, { expiresIn: 600 })
  const path = step.startsWith('guard') ? '/guard' : '/handshake'
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, path === '/guard' ? { headers: { authorization: `Bearer ${token}` } } : {})
  t.teardown(() => client.terminate())
  const messages: string[] = []
  const ended = new Promise<number>(resolve => {
    client.on('close', code => resolve(code))
    client.on('unexpected-response', (_request, response) => resolve(response.statusCode as number))
  })
  client.on('error', () => {})
  client.on('open', () => { if (path === '/handshake') client.send(JSON.stringify({ type: 'auth', token })) })
  client.on('message', data => {
    messages.push(String(data))
    if (String(data) === 'in' && step.startsWith('refresh')) client.send(JSON.stringify({ type: 'refresh', token }))
  })
  return { client, messages, ended }
}

const TARGETS = 5

t.test('1,000 logouts while somebody is on the way in, at each kind of step, on three nodes: none survives', async t => {
  const gate = new Gate()
  const bus = new LocalBus()
  const store = new SharedStore(gate)
  const nodes = [await start(t, gate, bus, store), await start(t, gate, bus, store), await start(t, gate, bus, store)]
  await until(() => nodes.every(({ app }) => app.wsHub.health().bus === 'up'))
  const races = { ticket: 0, upgrade: 0, 'first frame': 0, refresh: 0 }
  let onTheirWay = 0
  for (const [index, step] of Array.from({ length: 10 }, () => STEPS).flat().entries()) {
    const here = nodes[index % 3] as Node
    const there = nodes[(index + (index % 2)) % 3] as Node
    // Another session each time: those that were ended stay so.
    const [session, tokenId] = [`s${index}`, `j${index}`]
    const target = [
      'alice', { subject: 'alice', session }, { session }, { tokenId }, { where: { role: 'admin' } }
    ][index % TARGETS] as string
    gate.step = step
    const claims = { sid: session, jti: tokenId, role: 'admin' }
    const kind = kindOf(step)
    const clients = Array.from({ length: CROWDS[kind] }, () => {
      if (!step.startsWith('ticket')) return connect(t, here, step, claims)
      const messages: string[] = []
      return { messages, ended: useTicket(t, here, gate, claims, messages) }
    })
    await until(() => gate.waiting === clients.length)
    await there.app.wsHub.disconnectAll(target)
    gate.open()
    const ends = await Promise.all(clients.map(async ({ ended }) => await ended))
    races[kind] += clients.length
    t.ok(ends.every(end => end === endOf(step)), `${step}, ${JSON.stringify(target)}: ${ends.join()}`)
    t.equal(clients.some(({ messages }) => !step.startsWith('refresh') && step !== 'guard: a handler that adds late' && messages.some(message => message === 'in')), false, 'nobody got in')
    await until(() => nodes.every(({ app }) => app.wsHub.count() === 0))
    // A ticket that was on its way is worthless, and stays until it expires.
    if (step !== 'ticket: on its way to the client') t.equal(store.size - onTheirWay, 0, `${step}: nothing is left in the store`)
    else onTheirWay = store.size
  }
  t.ok(Object.values(races).every(count => count >= 1_000), JSON.stringify(races))
  // A login after all of that.
  const later = connect(t, nodes[0] as Node, 'guard: isRevoked', { sid: 'new', role: 'admin' })
  await until(() => later.messages.includes('in'))
})

t.test('an order that comes late ends who has come with a ticket that was requested before it', async t => {
  const gate = new Gate()
  const bus = new LocalBus()
  const store = new SharedStore(gate)
  const nodes = [await start(t, gate, bus, store), await start(t, gate, bus, store)] as [Node, Node]
  await until(() => nodes.every(({ app }) => app.wsHub.health().bus === 'up'))
  const [here, there] = nodes
  for (const [index, target] of ['alice', { subject: 'alice', session: 's1' }, { where: { role: 'admin' } }].entries()) {
    gate.step = 'ticket: claims'
    const heard: string[] = []
    const ended = useTicket(t, here, gate, { sid: `s${index}`, role: 'admin' }, heard)
    await until(() => gate.waiting === 1)
    bus.held = true
    there.app.wsHub.disconnect(target as string)
    // Neither the route nor the guard of this node knows of it.
    gate.open()
    await until(() => heard.includes('in'))
    const later: string[] = []
    const other = useTicket(t, here, gate, { sid: `later ${index}`, role: 'admin' }, later)
    await until(() => later.includes('in'))
    t.equal(here.app.wsHub.count(), 2)
    bus.release()
    t.equal(await ended, 4403, JSON.stringify(target))
    // The server hears of the end after the client does.
    await until(() => here.app.wsHub.count() === 1)
    t.equal(here.app.wsHub.subjects().length, 1, 'who has asked for a ticket since stays')
    here.app.wsHub.disconnect({ session: `later ${index}` })
    await other
  }
})

t.test('without the hub, guard and handshake refuse by themselves', async t => {
  const gate = new Gate()
  const store = new SharedStore(gate)
  const node = await start(t, gate, null, store)
  for (const step of STEPS) {
    // After the guard and its hooks, only the application knows its sockets.
    if (step === 'guard: a handler that adds late') continue
    for (const refuse of [node.app.wsGuard.refuse, node.app.wsHandshake.refuse]) {
      gate.step = step
      const ended = step.startsWith('ticket') ? useTicket(t, node, gate, { sid: 's' }, []) : connect(t, node, step, { sid: 's' }).ended
      await until(() => gate.waiting === 1)
      refuse({ subject: 'alice' })
      gate.open()
      t.equal(await ended, endOf(step), step)
    }
  }
  const later = connect(t, node, 'handshake: verify', {})
  await until(() => later.messages.includes('in'))
  later.client.close()
  await once(later.client, 'close')
})
