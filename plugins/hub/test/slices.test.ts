// Takes long: it holds thousands of connections.
import t, { type Test } from 'tap'
import mqemitter from 'mqemitter'
import type { WebSocket } from 'ws'
import { drain } from '../src/drain.js'
import type { HubBus, HubBusMessage } from '../src/index.js'
import { bare, build, sharesFrames, until } from './helpers.js'

type Peer = ReturnType<typeof bare> & { server: WebSocket }

/** Takes at least a millisecond on any machine. */
function work (): void {
  for (const end = performance.now() + 1; performance.now() < end;);
}

/** Calls `look` in every turn of the event loop from now on, until it returns `false`. */
function eachTurn (look: () => boolean): void {
  setImmediate(() => { if (look()) eachTurn(look) })
}

/** As `closeTimeout`, which @types/ws does not know. */
const CLOSE_LATE = { closeTimeout: 60_000 } as object

/** A server and many peers, each with the server's side of its connection. */
async function crowd (t: Test, count: number, subject = (index: number): string => `user-${index}`) {
  // On a busy machine, the slices of so many take longer than the 200 ms that tests have by default.
  const node = await build(t, { hub: { maxConnectionsPerSubject: Infinity, closeTimeout: 60_000 }, options: CLOSE_LATE })
  const peers: Peer[] = []
  while (peers.length < count) {
    // One after the other, to know which server's socket belongs to which peer.
    const peer = bare(t, node.port, `/ws?subject=${subject(peers.length)}`)
    peers.push({ ...peer, server: await node.next() })
  }
  await until(() => peers.every(({ socket }) => socket.bytesRead > 0))
  return { ...node, peers }
}

/** The text frames that a peer got, all of them short; `close` for a close frame. */
function texts (frames: Buffer): string[] {
  const all: string[] = []
  for (let at = 0; at + 1 < frames.length;) {
    const end = at + 2 + frames.readUInt8(at + 1)
    all.push(frames[at] === 0x88 ? 'close' : frames.toString('utf8', at + 2, end))
    at = end
  }
  return all
}

t.test('a message to two thousand connections is written in slices, in order and once', async t => {
  const { hub, port, next, peers } = await crowd(t, 2_000)
  const [sends, closes, dies, left] = peers.slice(1_900) as [Peer, Peer, Peer, Peer]
  let between = 0
  let late: Peer | undefined
  t.equal(hub.broadcast('one'), 2_000)
  await new Promise<void>(resolve => eachTurn(() => {
    const waiting = peers.filter(({ server }) => server.bufferedAmount > 0).length
    // Without shared frames there are no slices: everything has been written by now.
    if ((!sharesFrames || (waiting > 0 && waiting < 2_000)) && between++ === 0) {
      sends.server.send('mine')
      closes.server.close(1000)
      dies.server.terminate()
      t.equal(hub.broadcast('two', { except: left.server }), 2_000 - 3)
      late = { ...bare(t, port, '/ws?subject=late'), server: left.server }
    }
    const goes = peers.some(({ server }) => server.readyState === 1 && server.bufferedAmount > 0)
    if (!goes) resolve()
    return goes
  }))
  t.ok(between > 0, 'the event loop did other work between two slices')
  await next()
  t.equal(hub.broadcast('end'), 2_000 - 2 + 1)
  const all = [...peers, late as Peer]
  const ended = (peer: Peer): boolean => peer === dies || peer === closes || texts(peer.frames()).includes('end')
  await until(() => all.every(ended))
  const got = new Map(all.map(peer => [peer, texts(peer.frames()).join()]))
  t.equal(got.get(sends), 'one,mine,two,end')
  t.equal(got.get(closes), 'one,close')
  t.ok(['', 'one'].includes(got.get(dies) as string))
  t.equal(got.get(left), 'one,end')
  t.equal(got.get(late as Peer), 'end', 'a new connection gets nothing that was sent before')
  for (const peer of [sends, closes, dies, left, late as Peer]) got.delete(peer)
  t.strictSame([...new Set(got.values())], ['one,two,end'])
})

t.test('all connections of a user close at once, and the close frames go out in slices', async t => {
  const { hub, peers } = await crowd(t, 500, () => 'alice')
  let heard = 0
  for (const { server } of peers) server.on('message', () => { heard++ })
  hub.broadcast('before')
  t.equal(hub.disconnect('alice'), 500)
  t.ok(peers.every(({ server }) => server.readyState === 2))
  t.equal(hub.broadcast('after'), 0)
  t.equal(hub.disconnect('alice'), 0)
  for (const { socket } of peers) socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]))
  await until(() => peers.every(({ frames }) => texts(frames()).join() === 'before,close'))
  for (const { socket } of peers) socket.destroy()
  await until(() => hub.count() === 0)
  t.equal(heard, 0)
})

t.test('a batch of a drain is closed in slices', async t => {
  let turns = 0
  const seen: number[] = []
  const gone = new AbortController()
  eachTurn(() => {
    turns++
    return !gone.signal.aborted
  })
  const numbers = Array.from({ length: 100 }, (_, index) => index)
  await drain(numbers, { batch: 100, interval: 10, timeout: 10_000, jitter: 1 }, {
    close: number => {
      work()
      seen.push(turns)
      if (number === 99) gone.abort()
    },
    terminate: () => t.fail('no connection was late'),
    closeTimeout: 100,
    gone: gone.signal
  })
  t.ok((seen[99] as number) - (seen[0] as number) >= 5, `${seen[99]} turns`)
})

/** A slow bus that can be away. */
class SlowBus implements HubBus {
  readonly #emitter = mqemitter()
  away = false
  slow = false
  subscriptions: string[] = []
  commands: HubBusMessage[] = []

  get calls (): number {
    return this.subscriptions.length + this.commands.length
  }

  on (topic: string, listener: (message: any, done: () => void) => void, callback?: () => void): void {
    if (this.slow) work()
    this.subscriptions.push(topic)
    this.#emitter.on(topic, listener, callback)
  }

  emit (message: HubBusMessage, callback?: (error?: Error | null) => void): void {
    if ('subject' in message) {
      if (this.slow) work()
      this.commands.push(message)
    }
    if (this.away) setImmediate(() => callback?.())
    else this.#emitter.emit(message, () => callback?.())
  }

  removeListener (topic: string, listener: (message: any, done: () => void) => void): void {
    this.#emitter.removeListener(topic, listener)
  }
}

t.test('when the bus is back, subscriptions and disconnect commands go to it in slices', async t => {
  const bus = new SlowBus()
  const { app, hub, pair } = await build(t, { hub: { bus, busBeat: 20, maxTopicsPerConnection: Infinity } })
  await until(() => hub.health().bus === 'up')
  const { socket } = await pair()
  for (let number = 0; number < 100; number++) hub.join(socket, `topic/${number}`)

  const goAndComeBack = async (meanwhile: () => void): Promise<void> => {
    bus.away = true
    await until(() => hub.health().bus === 'down')
    for (let number = 0; number < 100; number++) hub.disconnect(`user-${number}`)
    bus.subscriptions = []
    bus.commands = []
    bus.away = false
    bus.slow = true
    await until(() => bus.subscriptions.some(topic => topic.startsWith('airlock/topic/')))
    t.ok(bus.subscriptions.length < 100, `${bus.subscriptions.length} subscriptions so far`)
    t.equal(hub.health().bus, 'down', 'as long as some are missing')
    meanwhile()
  }

  await goAndComeBack(() => {
    hub.leave(socket, 'topic/98')
    hub.leave(socket, 'topic/99')
    hub.join(socket, 'topic/99')
    hub.join(socket, 'topic/100')
  })
  t.equal(await hub.busReady(), true)
  const subscribed = bus.subscriptions.filter(topic => topic.startsWith('airlock/topic/')).sort()
  const expected = [...Array(98).keys(), 99, 100].map(number => `airlock/topic/topic/${number}`).sort()
  t.strictSame(subscribed, expected, 'each once')
  await until(() => bus.commands.length === 100)
  t.strictSame(bus.commands.map(({ subject }) => subject), Array.from({ length: 100 }, (_, number) => `user-${number}`))
  t.ok(bus.commands[99]?.age as number >= 90, 'their age includes the time that the slices take')

  bus.slow = false
  await goAndComeBack(() => { app.close() })
  await until(() => hub.count() === 0)
  await app.close()
  const { calls } = bus
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(bus.calls, calls, 'a closed hub subscribes to nothing and sends no commands')
  t.ok(bus.commands.length < 100)
})
