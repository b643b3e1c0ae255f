import jwtPlugin from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { websocketOptions, type WsIdentity } from '@fastify-airlock/core'
import wsGuard, { jwt } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub, { type HubBus } from '@fastify-airlock/hub'
import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { until } from './helpers.js'

/** Where somebody may be when the order comes: the test lets the hook go on after it. */
const STEPS = [
  'guard: isRevoked', 'guard: a later hook', 'guard: a handler that adds late', 'handshake: the guard', 'handshake: a later hook',
  'handshake: verify', 'handshake: authorize', 'handshake: isRevoked', 'refresh: verify', 'refresh: authorize', 'refresh: isRevoked'
] as const

type Step = typeof STEPS[number]

/** A bus of one process. The hub's own tests have those of several. */
class LocalBus implements HubBus {
  readonly #listeners = new Map<string, Set<(message: any, done: () => void) => void>>()

  on (topic: string, listener: (message: any, done: () => void) => void, callback?: () => void): void {
    this.#listeners.set(topic, (this.#listeners.get(topic) ?? new Set()).add(listener))
    setImmediate(() => callback?.())
  }

  emit (message: { topic: string }): void {
    for (const listener of this.#listeners.get(message.topic) ?? []) setImmediate(() => listener(message, () => {}))
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

interface Node { app: FastifyInstance, port: number }

async function start (t: Test, gate: Gate, bus: HubBus | null): Promise<Node> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(jwtPlugin, { secret: 'a secret for tests that is long enough' })
  await app.register(wsGuard, { missingOrigin: 'allow', upgradeTimeout: PATIENT })
  await app.register(wsHandshake, { authTimeout: PATIENT })
  if (bus !== null) await app.register(wsHub, { bus, maxConnectionsPerSubject: Infinity })
  const add = (socket: WebSocket, identity: WsIdentity): void => {
    if (bus !== null) app.wsHub.add(socket, identity)
    socket.send('in')
  }
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

t.test('1,000 logouts while somebody is on the way in, on three nodes: none survives', async t => {
  const gate = new Gate()
  const bus = new LocalBus()
  const nodes = [await start(t, gate, bus), await start(t, gate, bus), await start(t, gate, bus)]
  await until(() => nodes.every(({ app }) => app.wsHub.health().bus === 'up'))
  let races = 0
  for (const [index, step] of Array.from({ length: 10 }, () => STEPS).flat().entries()) {
    const here = nodes[index % 3] as Node
    const there = nodes[(index + (index % 2)) % 3] as Node
    // Another session each time: those that were ended stay so.
    const [session, tokenId] = [`s${index}`, `j${index}`]
    const target = [
      'alice', { subject: 'alice', session }, { session }, { tokenId }, { where: { role: 'admin' } }
    ][index % TARGETS] as string
    gate.step = step
    const clients = Array.from({ length: 10 }, () => connect(t, here, step, { sid: session, jti: tokenId, role: 'admin' }))
    await until(() => gate.waiting === clients.length)
    await there.app.wsHub.disconnectAll(target)
    gate.open()
    const ends = await Promise.all(clients.map(async ({ ended }) => await ended))
    races += clients.length
    const wanted = step === 'guard: isRevoked' ? 401 : 4403
    t.ok(ends.every(end => end === wanted), `${step}, ${JSON.stringify(target)}: ${ends.join()}`)
    t.equal(clients.some(({ messages }) => !step.startsWith('refresh') && step !== 'guard: a handler that adds late' && messages.some(message => message === 'in')), false, 'nobody got in')
    await until(() => nodes.every(({ app }) => app.wsHub.count() === 0))
  }
  t.ok(races >= 1_000, `${races} races`)
  // A login after all of that.
  const later = connect(t, nodes[0] as Node, 'guard: isRevoked', { sid: 'new', role: 'admin' })
  await until(() => later.messages.includes('in'))
})

t.test('without the hub, guard and handshake refuse by themselves', async t => {
  const gate = new Gate()
  const node = await start(t, gate, null)
  for (const step of STEPS) {
    // After the guard and its hooks, only the application knows its sockets.
    if (step === 'guard: a handler that adds late') continue
    for (const refuse of [node.app.wsGuard.refuse, node.app.wsHandshake.refuse]) {
      gate.step = step
      const { ended } = connect(t, node, step, { sid: 's' })
      await until(() => gate.waiting === 1)
      refuse({ subject: 'alice' })
      gate.open()
      t.equal(await ended, step === 'guard: isRevoked' ? 401 : 4403, step)
    }
  }
  const later = connect(t, node, 'handshake: verify', {})
  await until(() => later.messages.includes('in'))
  later.client.close()
  await once(later.client, 'close')
})
