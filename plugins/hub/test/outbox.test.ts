import t from 'tap'
import { Misuse } from '@fastify-airlock/core'
import { setImmediate as immediate } from 'node:timers/promises'
import fc from 'fast-check'
import type { WebSocket } from 'ws'
import { Connection, OPEN } from '../src/connection.js'
import { FanOut } from '../src/fan-out.js'
import { createFrame } from '../src/frame.js'
import { createStats } from '../src/status.js'
import { fakeConnection } from './fakes.js'

/** A fan-out with the shortest slices: whenever it reads the clock, its slice is over. */
function build ({ maxBufferedBytes = Infinity } = {}) {
  const clock = { now: 0 }
  const stats = createStats()
  const fanOut = new FanOut({
    maxBufferedBytes,
    slowConsumer: 'drop',
    stats,
    misuse: new Misuse({ warn: () => {} }, 'WSA_TEST_WARN'),
    terminate: ({ socket }) => socket.terminate(),
    onError: error => { throw error },
    now: () => (clock.now += 1_000)
  })
  return { fanOut, clock, stats }
}

const connect = (count: number) => Array.from({ length: count }, (_, index) => fakeConnection(`user-${index}`))
const connections = (peers: ReturnType<typeof connect>) => peers.map(({ connection }) => connection)
const written = (peers: ReturnType<typeof connect>) => peers.filter(({ writes }) => writes.length > 0).length

t.test('a message to many is written in slices, and a message to one does not wait for it', async t => {
  const { fanOut } = build()
  const peers = connect(100)
  t.equal(fanOut.distribute(connections(peers), createFrame('to all')), 100)
  t.equal(written(peers), 0)
  await immediate()
  const [first] = peers as [typeof peers[0], ...typeof peers]
  t.ok(written(peers) > 0 && written(peers) < 50, `${written(peers)} have it`)
  t.strictSame(first.sent(), ['text to all'])

  fanOut.distribute([first.connection], createFrame('to one'))
  await immediate()
  t.strictSame(first.sent(), ['text to all', 'text to one'])
  t.ok(written(peers) < 100)

  const before = written(peers)
  fanOut.distribute(connections(peers), createFrame('again'))
  while (written(peers) < 100 || first.sent().length < 3) await immediate()
  await immediate()
  for (const peer of peers.slice(1)) t.strictSame(peer.sent(), ['text to all', 'text again'])
  t.equal(peers.filter(({ writes }) => writes.length === 1).length, 100 - before, 'joined if nothing was written yet')
})

t.test('several large messages are written in slices as well', async t => {
  const { fanOut } = build()
  const peers = connect(50)
  for (const letter of ['a', 'b', 'c']) fanOut.distribute(connections(peers), createFrame(letter.repeat(100_000)))
  t.equal(written(peers), 0)
  await immediate()
  t.ok(written(peers) > 0 && written(peers) < 50)
  while (written(peers) < 50) await immediate()
  for (const peer of peers) t.strictSame(peer.sent(), ['a', 'b', 'c'].map(letter => `text ${letter.repeat(20)}`))
})

t.test('waiting for a slice does not make a connection slow', async t => {
  const { fanOut, stats } = build({ maxBufferedBytes: 1_000 })
  const peers = connect(100)
  const [first] = peers as [typeof peers[0], ...typeof peers]
  for (let turn = 0; turn < 3; turn++) {
    t.equal(fanOut.distribute(connections(peers), createFrame('x'.repeat(400))), 100)
    t.equal(stats.drops.slow, 0)
    await immediate()
  }
  while (peers.some(({ sent }) => sent().length < 3)) await immediate()
  t.equal(fanOut.distribute([first.connection], createFrame('x'.repeat(900))), 1)
  t.equal(fanOut.distribute([first.connection], createFrame('x'.repeat(900))), 0, 'what waits for the end of the turn counts')
})

t.test('much in one turn does not make a connection slow', async t => {
  const { fanOut, stats } = build({ maxBufferedBytes: 250_000 })
  const peers = connect(2)
  for (let count = 0; count < 10; count++) fanOut.distribute(connections(peers), createFrame('x'.repeat(100_000)))
  t.equal(stats.drops.slow, 0)
  for (const { socket } of peers) t.ok(socket.bufferedAmount <= 250_000)
  await immediate()
  for (const peer of peers) t.equal(peer.sent().length, 10)
})

t.test('a foreign socket gets messages by send', async t => {
  const { fanOut } = build()
  const sent: string[] = []
  const socket = { readyState: OPEN, bufferedAmount: 0, extensions: '', send: (data: Buffer) => { sent.push(String(data)) } }
  const connection = new Connection(socket as unknown as WebSocket, { subject: 'alice' }, true, 0)
  connection.cork()
  t.equal(fanOut.distribute([connection], createFrame('hello')), 1)
  t.strictSame(sent, ['hello'])
  connection.uncork()
})

const who = fc.nat(39)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('publish' as const), members: fc.uniqueArray(who, { maxLength: 40 }), except: who, bytes: fc.constantFrom(0, 10, 10, 10, 6_000, 20_000, 70_000) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('broadcast' as const), except: who, bytes: fc.constantFrom(0, 10, 20_000) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('send' as const, 'ping' as const, 'cork' as const, 'uncork' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'terminate' as const, 'join' as const), who }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) }
)

t.test('each message arrives once and in order at its receivers, whatever happens meanwhile', async t => {
  let sliced = 0
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async steps => {
    const { fanOut } = build()
    const peers = connect(40).map(peer => ({ ...peer, expected: [] as string[], held: 0, lost: false }))
    let number = 0
    for (const step of steps) {
      if (step.kind === 'turn') {
        await immediate()
        const waiting = peers.filter(({ socket }) => socket.readyState === OPEN && socket.bufferedAmount > 0).length
        if (waiting > 0 && waiting < 40) sliced++
      } else if (step.kind === 'publish' || step.kind === 'broadcast') {
        const to = step.kind === 'broadcast' ? peers : step.members.map(index => peers[index] as typeof peers[0])
        const except = peers[step.except]?.socket as typeof peers[0]['socket']
        const text = `message ${number++}`
        const reached = to.filter(({ socket }) => socket.readyState === OPEN && socket !== except)
        for (const { expected } of reached) expected.push(`text ${text}`)
        if (fanOut.distribute(connections(to), createFrame(text + ' '.repeat(step.bytes)), { except }) !== reached.length) return false
      } else if (step.kind === 'join') {
        // A new connection gets nothing that was sent before.
        peers.push({ ...fakeConnection(), expected: [], held: 0, lost: false })
      } else {
        const peer = peers[step.who] as typeof peers[0]
        if (peer.socket.readyState !== OPEN) continue
        if (step.kind === 'send') {
          const text = `message ${number++}`
          peer.socket.send(text)
          peer.expected.push(`text ${text}`)
        } else if (step.kind === 'ping') {
          peer.socket.ping(`${number}`)
          peer.expected.push(`ping ${number++}`)
        } else if (step.kind === 'close') {
          peer.socket.close(1000)
          peer.expected.push('close')
        } else if (step.kind === 'terminate') {
          peer.socket.terminate()
          peer.lost = true
        } else if (step.kind === 'cork') {
          peer.connection.cork()
          peer.held++
        } else if (peer.held > 0) {
          peer.connection.uncork()
          peer.held--
        }
      }
    }
    for (const peer of peers) {
      for (; peer.held > 0; peer.held--) peer.connection.uncork()
    }
    for (let turn = 0; turn < 500; turn++) await immediate()
    return peers.every(({ socket, sent, expected, lost }) => {
      const all = sent()
      // What was not written at the time of termination is lost, but nothing before it.
      if (lost) return all.every((frame, index) => frame === expected[index])
      return all.join() === expected.join() && socket.bufferedAmount === 0
    })
  }), { numRuns: 100 })
  t.ok(sliced > 50, `between two slices ${sliced} times`)
})
