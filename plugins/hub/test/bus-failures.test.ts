// Runs alone: it listens for what would end the process.
import t, { type Test } from 'tap'
import { EventEmitter } from 'node:events'
import mqemitter from 'mqemitter'
import type { HubBus } from '../src/index.js'
import { BusSubscriptions } from '../src/bus-subscriptions.js'
import { BusCalls } from '../src/bus-calls.js'
import { build, until } from './helpers.js'

/** Whatever would end the process. */
const fatal: unknown[] = []
for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, error => { fatal.push(error) })

type Method = 'on' | 'emit' | 'removeListener'
type Callback = ((error?: Error | null) => void) | undefined

const error = new Error('the bus is broken')

/** Ways of a method to fail. `pass` does what the method should do. */
const WAYS: Record<string, (callback: Callback, pass: () => unknown) => unknown> = {
  'it throws': () => { throw error },
  // eslint-disable-next-line no-throw-literal
  'it throws nothing in particular': () => { throw undefined },
  'it rejects': () => Promise.reject(error),
  // eslint-disable-next-line prefer-promise-reject-errors
  'it rejects with nothing in particular': () => Promise.reject(undefined),
  'it rejects after it has done its work': (_, pass) => { pass(); return Promise.reject(error) },
  'it calls back with an error': callback => { callback?.(error) },
  'it calls back with an error, later': callback => { setImmediate(() => callback?.(error)) },
  'it calls back twice': (callback, pass) => { pass(); callback?.(error); callback?.() },
  'it calls back and throws': callback => { callback?.(error); throw error },
  'it never calls back': () => {},
  'it resolves, and never calls back': () => Promise.resolve()
}

/** A bus that fails as long as it is told to. */
class Failing extends EventEmitter implements HubBus {
  readonly emitter = mqemitter()
  readonly state = new EventEmitter()
  calls = 0
  failing: Partial<Record<Method, (callback: Callback, pass: () => unknown) => unknown>> = {}

  override on (...args: any[]): any { return this.#call('on', args) }
  override emit (...args: any[]): any { return this.#call('emit', args) }
  override removeListener (...args: any[]): any { return this.#call('removeListener', args) }

  #call (method: Method, args: any[]): unknown {
    this.calls++
    const pass = (): unknown => { (this.emitter[method] as (...args: unknown[]) => unknown)(...args); return undefined }
    const way = this.failing[method]
    return way === undefined ? pass() : way(args.at(-1), pass)
  }
}

const MOMENTS = ['start', 'up', 'shutdown'] as const

async function live (t: Test, bus: Failing, moment: typeof MOMENTS[number], fail: () => void) {
  if (moment === 'start') fail()
  const { app, hub, pair } = await build(t, { hub: { bus, busBeat: 10 } })
  const { socket, messages } = await pair()
  if (moment !== 'start') {
    hub.join(socket, 'news')
    await until(() => hub.health().bus === 'up')
    await hub.busReady()
  }
  if (moment === 'up') fail()
  hub.join(socket, 'other')
  hub.leave(socket, 'other')
  hub.publish('news', 'to whom it may concern')
  hub.broadcast('hello')
  hub.disconnect('nobody')
  if (moment !== 'shutdown') {
    // Beats, of two calls at least, and what follows from their loss.
    const { calls } = bus
    await until(() => bus.calls >= calls + 12)
    bus.failing = {}
    await until(() => hub.health().bus === 'up')
    t.equal(await hub.busReady(), true, 'it comes back')
  } else {
    fail()
  }
  await until(() => messages.includes('hello'))
  await app.close()
  await new Promise(resolve => setImmediate(resolve))
}

for (const method of ['on', 'emit', 'removeListener'] as const) {
  t.test(`${method} fails`, async t => {
    for (const [name, way] of Object.entries(WAYS)) {
      for (const moment of MOMENTS) {
        const bus = new Failing()
        await live(t, bus, moment, () => { bus.failing[method] = way })
        t.strictSame(fatal.splice(0), [], `${moment}: ${name}`)
      }
    }
  })
}

t.test('an error is emitted', async t => {
  for (const emitter of ['itself', 'its state'] as const) {
    for (const moment of [...MOMENTS, 'the time after'] as const) {
      const bus = new Failing()
      const emit = (): void => {
        try {
          if (emitter === 'its state') bus.state.emit('error', error)
          else EventEmitter.prototype.emit.call(bus, 'error', error)
        } catch (error) {
          // Before the hub is there, it cannot help.
          if (moment !== 'start') fatal.push(error)
        }
      }
      await live(t, bus, moment === 'the time after' ? 'up' : moment, emit)
      if (moment === 'the time after') emit()
      t.strictSame(fatal.splice(0), [], `${moment}: ${emitter}`)
    }
  }
})

t.test('a bus that takes a subscription too late, or not at all, is not up', async t => {
  for (const way of ['it calls back with an error', 'it throws', 'it rejects', 'it never calls back', 'it resolves, and never calls back']) {
    const bus = new Failing()
    const { app, hub, pair } = await build(t, { hub: { bus, busBeat: 10 } })
    const { socket } = await pair()
    await until(() => hub.health().bus === 'up')
    hub.join(socket, 'news')
    t.equal(hub.health().bus, 'up')
    bus.failing.on = WAYS[way] as NonNullable<typeof bus.failing.on>
    hub.join(socket, 'other')
    await until(() => hub.health().bus === 'down')
    t.match(hub.health(), { status: 'degraded', bus: 'down' }, way)
    bus.failing = {}
    if (way.includes('never')) {
      hub.leave(socket, 'other')
      hub.join(socket, 'other')
    }
    await until(() => hub.health().bus === 'up')
    t.equal(await hub.busReady(), true)
    await app.close()
  }
  t.strictSame(fatal.splice(0), [])
})

t.test('a bus that says when it is lost and back', async t => {
  let say: (state: 'lost' | 'back') => void = () => {}
  const bus = Object.assign(mqemitter(), { watch: (listener: typeof say) => { say = listener } })
  const { hub, app } = await build(t, { hub: { bus, busBeat: 60_000 } })
  await until(() => hub.health().bus === 'up')
  say('lost')
  t.equal(hub.health().bus, 'down', 'at once')
  say('back')
  await until(() => hub.health().bus === 'up')
  await app.close()
  for (const state of ['lost', 'back'] as const) say(state)
})

t.test('a bus whose watch fails', async t => {
  const bus = Object.assign(mqemitter(), { watch: () => { throw error } })
  const { hub } = await build(t, { hub: { bus } })
  await until(() => hub.health().bus === 'up')
})

t.test('an error of the application in a message of the bus is logged, and none of the bus', async t => {
  const lines: string[] = []
  const bus = mqemitter()
  const { hub } = await build(t, {
    hub: { bus }, fastify: { logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } }
  })
  await until(() => hub.health().bus === 'up')
  Object.defineProperty(hub.stats.bus, 'received', { get: () => 0, set () { throw new Error('of the application') } })
  bus.emit({ topic: 'airlock/broadcast', node: 'x', sequence: 1, payload: Buffer.from('x'), binary: false })
  await until(() => lines.length > 0)
  t.match(lines[0], /failed to handle a message of the bus/)
})

t.test('who waits for subscriptions', async t => {
  const confirmations: Array<(error?: Error) => void> = []
  const bus: HubBus = { on: (_topic, _listener, confirm) => { confirmations.push(confirm as () => void) }, emit () {}, removeListener () {} }
  const ignore = (): void => {}
  const subscriptions = new BusSubscriptions(new BusCalls({ bus, onError: ignore, onLost: ignore, onBack: ignore }), ignore)
  t.equal(await subscriptions.confirmed(), true, 'nothing to wait for')
  subscriptions.add('a')
  subscriptions.add('b')
  let confirmed = 0
  const two = subscriptions.confirmed().then(() => { confirmed++ })
  await null
  subscriptions.add('c')
  confirmations[1]?.()
  confirmations[0]?.(error)
  await new Promise(resolve => setImmediate(resolve))
  t.equal(confirmed, 0, 'one of the two has failed')
  subscriptions.retry()
  confirmations[3]?.()
  await two
  t.pass('not waiting for the third')
  const third = subscriptions.confirmed()
  subscriptions.remove('c')
  t.equal(await third, true, 'which nobody wants any more')
  confirmations[2]?.()
  subscriptions.renew(new Set(['b']))
  const lost = subscriptions.confirmed()
  subscriptions.abandon()
  t.equal(await lost, false, 'lost again meanwhile')
  subscriptions.close()
})
