import t, { type Test } from 'tap'
import diagnostics from 'node:diagnostics_channel'
import { setImmediate as immediate } from 'node:timers/promises'
import mqemitter from 'mqemitter'
import { ClusterLimit } from '../src/cluster-limit.js'
import type { ConnectionCounter, PlaceAnswer } from '../src/connection-counter.js'
import { ContractSocket } from '../src/contract/nodes.js'
import { Hub } from '../src/hub.js'
import { type HubEvents, MemoryConnectionCounter, type WsHubOptions } from '../src/index.js'
import { parseHubOptions } from '../src/options.js'
import { until } from './helpers.js'

const LONG = 600_000

/** A counter that can be away, slow, or forgetful. */
class Moody implements ConnectionCounter {
  inner = new MemoryConnectionCounter()
  readonly calls: string[] = []
  /** What the next calls of a kind end with. */
  readonly moods = new Map<string, () => Promise<unknown>>()

  async #call<T> (name: keyof ConnectionCounter, about: string, call: (counter: MemoryConnectionCounter) => Promise<T>): Promise<T> {
    this.calls.push(`${name} ${about}`)
    await (this.moods.get(name) ?? this.moods.get('all'))?.()
    return await call(this.inner)
  }

  begin = async (holder: string, previous: string | null, life: number) => await this.#call('begin', `${holder} ${previous} ${life}`, inner => inner.begin(holder, previous, life))
  renew = async (holder: string, life: number) => await this.#call('renew', holder, inner => inner.renew(holder, life))
  take = async (...given: Parameters<ConnectionCounter['take']>): Promise<PlaceAnswer> => await this.#call('take', given[1].id, inner => inner.take(...given))
  keep = async (...given: Parameters<ConnectionCounter['keep']>) => await this.#call('keep', given[1].map(({ id }) => id).join(), inner => inner.keep(...given))
  release = async (...given: Parameters<ConnectionCounter['release']>) => await this.#call('release', given[1].id, inner => inner.release(...given))
  end = async (holder: string) => await this.#call('end', holder, inner => inner.end(holder))
}

/** Microtasks and promises, without a timer. */
async function turns (): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await immediate()
}

function make (t: Test, counter = new Moody(), replace = false, timeout = LONG) {
  const clock = { now: 0 }
  const refused: string[] = []
  const expelled: string[] = []
  const lines: string[] = []
  const stats = { taken: 0, refused: 0, replaced: 0, failed: 0 }
  const limit = new ClusterLimit({
    counter,
    node: 'me',
    limit: 2,
    replace,
    beat: LONG,
    stats,
    timeout,
    log: { info: (text: string) => { lines.push(text) }, warn: ({ reason }: { reason: string }, text: string) => { lines.push(`${text} (${reason})`) } } as never,
    refuse: id => { refused.push(id) },
    expel: id => { expelled.push(id) },
    now: () => clock.now
  })
  t.teardown(() => limit.end())
  const tick = async (): Promise<void> => {
    limit.tick()
    await turns()
  }
  return { limit, counter, clock, refused, expelled, lines, stats, tick, add: (id: string, subject = 'alice') => limit.add({ subject, id }) }
}

const away = (): Promise<never> => Promise.reject(new Error('away'))

const rejected = (reason: unknown): Promise<never> => new Promise((_resolve, reject) => reject(reason))

t.test('the one too many is refused, and a place that is given back is free', async t => {
  const { limit, counter, refused, stats, add } = make(t)
  t.equal(limit.state, 'down', 'not yet')
  await turns()
  t.equal(limit.state, 'up')
  for (const id of ['1', '2', '3']) add(id)
  await turns()
  t.strictSame(refused, ['3'])
  limit.remove('3')
  limit.remove('1')
  limit.remove('1')
  limit.remove(undefined)
  add('4')
  await turns()
  t.strictSame(refused, ['3'])
  t.strictSame(stats, { taken: 3, refused: 1, replaced: 0, failed: 0 })
  t.strictSame(counter.calls.filter(call => /release/.test(call)), ['release 1'], 'each place once')
})

t.test('one that closes while it is asked about gives its place back', async t => {
  const { limit, refused, add } = make(t)
  await turns()
  for (const id of ['1', '2', '3']) {
    add(id)
    limit.remove(id)
  }
  await turns()
  add('4')
  add('5')
  await turns()
  t.strictSame(refused, [], 'the third has closed before it was refused')
})

t.test('while the counter is away nothing is asked, and it is told of all when it is back', async t => {
  const { limit, counter, refused, lines, stats, tick, add } = make(t)
  await turns()
  add('1')
  await turns()
  counter.moods.set('all', away)
  add('2')
  await turns()
  t.equal(limit.state, 'down')
  const asked = counter.calls.length
  for (const id of ['3', '4']) add(id)
  limit.remove('1')
  await turns()
  t.equal(counter.calls.length, asked)
  await tick()
  await tick()
  t.equal(limit.state, 'down')
  t.equal(stats.failed, 3)
  counter.moods.clear()
  await tick()
  t.equal(limit.state, 'up')
  t.strictSame(refused, [], 'who came meanwhile stays')
  t.strictSame(counter.calls.slice(-2), ['begin me-4 me-3 1200000', 'keep 2,3,4'])
  add('5')
  await turns()
  t.strictSame(refused, ['5'])
  t.strictSame(lines, ['the hub cannot count connections over all nodes: the limit of this node applies (away)', 'the hub counts connections over all nodes again'], 'once each')
})

t.test('it is away from the start', async t => {
  const counter = new Moody()
  counter.moods.set('all', () => rejected(undefined))
  const { limit, lines, tick, add } = make(t, counter)
  add('1')
  await turns()
  t.equal(limit.state, 'down')
  counter.moods.clear()
  await tick()
  t.equal(limit.state, 'up')
  t.strictSame(lines.map(line => line.replace(/ \(.*/, '')), ['the hub cannot count connections over all nodes: the limit of this node applies', 'the hub counts connections over all nodes again'])
})

t.test('a counter that has forgotten everything is told again, at the next beat or the next question', async t => {
  for (const how of ['beat', 'question']) {
    const { limit, counter, refused, lines, tick, add } = make(t)
    await turns()
    for (const id of ['1', '2']) add(id)
    await turns()
    counter.inner = new MemoryConnectionCounter()
    if (how === 'beat') await tick()
    else add('late', 'bob')
    await turns()
    t.equal(limit.state, 'up')
    add('3')
    await turns()
    t.strictSame(refused, ['3'], how)
    t.strictSame(lines, [], 'nothing was lost')
  }
})

t.test('what comes and goes while the counter is told counts', async t => {
  const counter = new Moody()
  const gates: Array<() => void> = []
  for (const kind of ['begin', 'keep']) counter.moods.set(kind, () => new Promise<void>(resolve => gates.push(resolve)))
  const { limit, refused, add } = make(t, counter)
  await turns()
  t.equal(gates.length, 1, 'begin')
  add('late')
  gates.shift()?.()
  await turns()
  t.equal(limit.state, 'up')
  counter.inner = new MemoryConnectionCounter()
  for (const id of ['a', 'b']) add(id, 'bob')
  await turns()
  limit.tick()
  await turns()
  // It tells of late, a and b once it has begun.
  gates.shift()?.()
  await turns()
  limit.remove('a')
  add('c', 'bob')
  add('d', 'bob')
  add('gone', 'bob')
  limit.remove('gone')
  gates.shift()?.()
  await turns()
  t.equal(limit.state, 'up')
  t.strictSame(refused, ['d'], 'b and c have the places')
})

t.test('answers for an old name change nothing', async t => {
  for (const end of ['answers', 'fails']) {
    const counter = new Moody()
    const { limit, refused, stats, lines, tick, add } = make(t, counter)
    await turns()
    let settle: (error?: Error) => void = () => {}
    counter.moods.set('take', () => new Promise<void>((resolve, reject) => { settle = error => error === undefined ? resolve() : reject(error) }))
    add('1')
    await turns()
    counter.moods.set('renew', away)
    await tick()
    counter.moods.clear()
    await tick()
    t.equal(limit.state, 'up')
    const { failed } = stats
    const said = lines.length
    settle(end === 'fails' ? new Error('late') : undefined)
    await turns()
    t.strictSame([refused, stats.failed, lines.length, limit.state], [[], failed, said, 'up'], end)
  }
})

t.test('a release that fails is a loss, once', async t => {
  const { limit, counter, lines, stats, add } = make(t)
  await turns()
  add('1')
  add('2')
  await turns()
  counter.moods.set('release', away)
  limit.remove('1')
  limit.remove('2')
  await turns()
  t.equal(limit.state, 'down')
  t.equal(lines.length, 1)
  t.equal(stats.failed, 2)
})

t.test('a release of an old name that fails is none', async t => {
  const { limit, counter, tick, add } = make(t)
  await turns()
  add('1')
  await turns()
  let fail: (error: Error) => void = () => {}
  counter.moods.set('release', () => new Promise((_resolve, reject) => { fail = reject }))
  limit.remove('1')
  await turns()
  counter.inner = new MemoryConnectionCounter()
  await tick()
  fail(new Error('late'))
  await turns()
  t.equal(limit.state, 'up')
})

t.test('all are told again every few minutes, in batches', async t => {
  const { limit, counter, clock, tick, add } = make(t)
  await turns()
  for (let index = 0; index < 250; index++) add(`${index}`, `user ${index}`)
  await turns()
  await tick()
  const before = counter.calls.length
  clock.now += 10 * 60_000
  let isFirst = true
  counter.moods.set('keep', async () => {
    // One that would be told of next closes.
    if (isFirst) limit.remove('150')
    isFirst = false
  })
  await tick()
  const kept = counter.calls.slice(before).filter(call => call.startsWith('keep')).map(call => call.split(',').length)
  t.strictSame(kept, [100, 99, 50])
  await tick()
  t.equal(counter.calls.slice(before).filter(call => call.startsWith('keep')).length, 3)
})

t.test('what has made room is closed, wherever it is', async t => {
  const { limit, counter, expelled, stats, add } = make(t, new Moody(), true)
  await turns()
  await counter.inner.begin('another', null, LONG)
  await counter.inner.take('another', { subject: 'alice', id: 'elsewhere' }, 2, true)
  for (const id of ['1', '2', '3']) add(id)
  await turns()
  t.strictSame(expelled, ['elsewhere', '1'])
  t.equal(stats.replaced, 2)
  limit.remove('1')
  await turns()
  t.notOk(counter.calls.includes('release 1'), 'its place is given back already')
})

t.test('at the end all is given back, and nothing is asked any more', async t => {
  for (const moment of ['up', 'beginning', 'down']) {
    const counter = new Moody()
    if (moment === 'down') counter.moods.set('all', away)
    let go: () => void = () => {}
    if (moment === 'beginning') counter.moods.set('begin', () => new Promise<void>(resolve => { go = resolve }))
    const { limit, add, tick, stats } = make(t, counter)
    await turns()
    add('1')
    await turns()
    counter.moods.delete('all')
    limit.end()
    limit.end()
    go()
    await turns()
    t.equal(counter.calls.filter(call => call.startsWith('end')).length, moment === 'down' ? 0 : 1, moment)
    const { length } = counter.calls
    const { failed } = stats
    add('2')
    limit.remove('1')
    await tick()
    t.equal(counter.calls.length, length)
    t.equal(stats.failed, failed)
  }
  const counter = new Moody()
  const { limit } = make(t, counter)
  await turns()
  counter.moods.set('end', away)
  limit.end()
  await turns()
})

t.test('a counter that throws, or never answers, is away', async t => {
  const thrower = new Moody()
  thrower.begin = () => { throw new Error('thrown') }
  const one = make(t, thrower)
  await turns()
  t.match(one.lines, [/thrown/])
  const mute = new Moody()
  mute.moods.set('all', () => new Promise(() => {}))
  const two = make(t, mute, false, 10)
  await two.tick()
  t.strictSame(mute.calls.length, 1, 'it is asked one thing at a time')
  await until(() => two.lines.length > 0)
  t.match(two.lines, [/No answer within 10 ms/])
})

async function open (t: Test, count: number, options: WsHubOptions) {
  const log = { info () {}, warn () {}, error () {} } as never
  const hubs = Array.from({ length: count }, () => {
    const hub = new Hub(parseHubOptions({ maxConnectionsPerSubject: 2, ...options }), log)
    t.teardown(() => hub.close())
    return hub
  })
  await until(() => hubs.every(hub => hub.health().counter === 'up' && hub.health().bus !== 'down'))
  return hubs as [Hub, Hub, Hub]
}

t.test('hubs with one counter refuse what is one too many on all of them together', async t => {
  const connectionCounter = new MemoryConnectionCounter()
  const [a, b, c] = await open(t, 3, { connectionCounter })
  const refusals: Array<HubEvents['refuse']> = []
  const listener = (event: unknown): void => { refusals.push(event as HubEvents['refuse']) }
  diagnostics.subscribe('airlock:hub:refuse', listener)
  t.teardown(() => diagnostics.unsubscribe('airlock:hub:refuse', listener))
  const [one, two, three] = [a, b, c].map(hub => new ContractSocket(hub, 'alice')) as [ContractSocket, ContractSocket, ContractSocket]
  await until(() => three.closed !== null)
  t.strictSame(three.closed, [4429, 'too many connections'])
  t.strictSame([one.closed, two.closed], [null, null])
  // One that the application closes meanwhile is not refused as well.
  const leaving = new ContractSocket(c, 'alice')
  leaving.readyState = 2
  await until(() => c.stats.counter?.refused === 2)
  t.equal(leaving.closed, null)
  t.equal(c.stats.refusals.subject, 1)
  leaving.terminate()
  t.match(c.stats.counter, { taken: 0, refused: 2 })
  t.match(refusals, [{ subject: 'alice', reason: 'subject' }])
  t.equal(refusals[0]?.hub, c)
  one.terminate()
  const four = new ContractSocket(c, 'alice')
  await until(() => c.stats.counter?.taken === 1)
  t.equal(four.closed, null)
  t.strictSame(new ContractSocket(c, 'bob').closed, null)
  t.match(c.health(), { status: 'ok', counter: 'up' })
  // A place is free at once when the hub closes a connection, whatever the peer does.
  four.close = () => {}
  c.disconnect('alice')
  const five = new ContractSocket(a, 'alice')
  await until(() => a.stats.counter?.taken === 2)
  t.equal(five.closed, null)
  // A node that drains gives all back before its clients have closed.
  two.close = () => {}
  const drained = b.drain()
  const six = new ContractSocket(a, 'alice')
  await until(() => a.stats.counter?.taken === 3)
  t.equal(six.closed, null)
  two.terminate()
  await drained
})

t.test('a connection that is cut gives its place back, however long it takes to close', async t => {
  const [a, b] = await open(t, 2, { connectionCounter: new MemoryConnectionCounter(), maxConnectionsPerSubject: 1 })
  const broken = new ContractSocket(a, 'alice')
  await until(() => a.stats.counter?.taken === 1)
  broken.send = () => { throw new Error('broken') }
  broken.terminate = () => {}
  a.broadcast('hello')
  const next = new ContractSocket(b, 'alice')
  await until(() => b.stats.counter?.taken === 1)
  t.equal(next.closed, null)
})

t.test('the oldest makes room, on whatever node it is', async t => {
  const connectionCounter = new MemoryConnectionCounter()
  const [a, b, c] = await open(t, 3, { connectionCounter, onSubjectLimit: 'replace', bus: mqemitter() })
  const sockets: ContractSocket[] = []
  for (const hub of [a, b, c]) {
    sockets.push(new ContractSocket(hub, 'alice'))
    await until(() => hub.stats.counter?.taken === 1)
  }
  await until(() => sockets[0]?.closed !== null)
  t.strictSame(sockets.map(({ closed }) => closed), [[4409, 'replaced'], null, null])
  sockets.push(new ContractSocket(b, 'alice'))
  await until(() => sockets[1]?.closed !== null)
  t.strictSame(sockets.map(({ closed }) => closed), [[4409, 'replaced'], [4409, 'replaced'], null, null])
  t.equal(b.stats.closes.replaced, 1, 'its own')
})

t.test('without a counter nothing of it is there, and options have to fit', async t => {
  const hub = new Hub(parseHubOptions({}), { info () {}, warn () {}, error () {} } as never)
  t.notOk('counter' in hub.stats)
  t.notOk('counter' in hub.health())
  const socket = new ContractSocket(hub, 'alice')
  const members = Object.getOwnPropertySymbols(socket).map(key => (socket as unknown as Record<symbol, { identity?: object, id?: string }>)[key])
  t.strictSame(members.filter(member => member?.identity !== undefined).map(member => member?.id), [undefined], 'no connection has an id')
  const connectionCounter = new MemoryConnectionCounter()
  const bad: Array<[object, RegExp]> = [
    [{ connectionCounter: {} }, /connectionCounter/],
    [{ connectionCounter: 'redis' }, /connectionCounter/],
    [{ connectionCounter, maxConnectionsPerSubject: Infinity }, /connectionCounter: there is nothing to count/],
    [{ connectionCounter, onSubjectLimit: 'replace' }, /connectionCounter: give a bus/]
  ]
  for (const [options, message] of bad) t.throws(() => parseHubOptions(options), { code: 'WSA_HUB_ERR_OPTION', message })
})

t.test('a node whose counter is away is degraded, and keeps to its own limit', async t => {
  const counter = new Moody()
  counter.moods.set('all', away)
  const hub = new Hub(parseHubOptions({ connectionCounter: counter, maxConnectionsPerSubject: 2 }), { info () {}, warn () {}, error () {} } as never)
  t.teardown(() => hub.close())
  await until(() => hub.stats.counter?.failed === 1)
  t.match(hub.health(), { status: 'degraded', counter: 'down' })
  const sockets = [1, 2, 3].map(() => new ContractSocket(hub, 'alice'))
  t.strictSame(sockets.map(({ closed }) => closed), [null, null, [4429, 'too many connections']])
})

t.test('a counter that answers anything is away', async t => {
  for (const answer of [undefined, null, {}, { place: 'taken' }, { place: 'taken', replaced: 7 }]) {
    const counter = new Moody()
    const { add, limit, lines, tick } = make(t, counter)
    await turns()
    counter.take = async () => answer as never
    add('1')
    await turns()
    t.equal(limit.state, 'down', JSON.stringify(answer))
    t.equal(lines.length, 1)
    await tick()
    t.equal(limit.state, 'up')
  }
})
