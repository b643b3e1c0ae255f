import t, { type Test } from 'tap'
import { once } from 'node:events'
import { type CloseHow, Closer, closingEvent, isHeard } from '../src/index.js'
import { connect, FakeSocket as Fake, goOut as out, listen, mute } from './helpers.js'

t.test('a peer that answers gets code and reason, cut to 123 bytes', async t => {
  const { port, connections } = await listen(t)
  const client = connect(t, port)
  const server = await connections.next()
  new Closer().close(server, 4403, 'é'.repeat(100))
  const [code, reason] = await once(client, 'close')
  t.equal(code, 4403)
  t.equal(reason.toString(), 'é'.repeat(61))
})

t.test('a mute peer is terminated', async t => {
  const { port, connections } = await listen(t)
  const client = mute(t, port)
  const server = await connections.next()
  const start = performance.now()
  new Closer(100).close(server, 4401, 'gone')
  await once(server, 'close')
  const elapsed = performance.now() - start
  t.ok(elapsed >= 100 && elapsed < 25_000, `terminated after ${elapsed} ms`)
  t.ok(client.bytesRead > 0, 'the close frame was sent before')
})

/** What has to happen, at which time after the close. */
type Script = Array<[at: number, act: (socket: Fake) => void]>

/** When a peer is cut, in milliseconds after the close; `Infinity` where it never is. */
function cutAfter (waiting: number, script: Script, how: CloseHow = {}): number {
  let now = 1_000_000
  const closer = new Closer(2_000, 120_000, () => now)
  const socket = new Fake(waiting)
  closer.close(socket, 4000, 'bye', how)
  for (let elapsed = 0; elapsed <= 300_000; elapsed += 50) {
    for (const [at, act] of script) if (at === elapsed) act(socket)
    now = 1_000_000 + elapsed
    closer.tick()
    if (socket.terminated > 0) return elapsed
  }
  return Infinity
}

t.test('how long a peer has that does not answer', async t => {
  const MIB = 1024 * 1024
  for (const [name, waiting, script, how, least, most] of [
    ['nothing waits', 0, [], {}, 2_000, 2_200],
    ['only the refusal waits', 500, [], { waiting: 0 }, 2_000, 2_200],
    ['it all goes out at once', MIB, [[50, out]], {}, 2_000, 2_300],
    ['nothing ever goes out', MIB, [], {}, 120_000, 120_200],
    ['it goes out, and the kernel has four times as much at the same pace', MIB, [[5_000, out]], {}, 27_000, 27_800],
    ['it goes out late, and the whole time is over before the kernel is done', MIB, [[50_000, out]], {}, 122_000, 122_400],
    ['it goes out at the very end', MIB, [[119_950, out]], {}, 121_900, 122_300],
    ['the caller knows of bytes in the kernel', 0, [], { underWay: 7_000 }, 9_000, 9_200],
    ['the caller knows of more bytes than there is time for', 0, [], { underWay: 1e9 }, 122_000, 122_200],
    ['the caller knows of them, and more waits', 1000, [[50, out]], { underWay: 7_000 }, 9_000, 9_300]
  ] as Array<[string, number, Script, CloseHow, number, number]>) {
    const elapsed = cutAfter(waiting, script, how)
    t.ok(elapsed >= least && elapsed <= most, `${name}: cut after ${elapsed} ms`)
  }
})

t.test('one that has closed is looked at no more', async t => {
  let now = 0
  const closer = new Closer(2_000, 120_000, () => now)
  const socket = new Fake(1_000)
  closer.close(socket, 4000, '')
  t.equal(closer.size, 1)
  socket.readyState = 3
  now = 200
  closer.tick()
  t.equal(closer.size, 0)
})

t.test('a socket stays with the closer that came first, and one that was closing gets the short time', async t => {
  let now = 0
  const [first, second] = [new Closer(2_000, 120_000, () => now), new Closer(50, 50, () => now)]
  const socket = new Fake(1_000)
  first.close(socket, 4000, '')
  second.close(socket, 4001, '')
  t.equal(second.size, 0)
  const closing = new Fake(1_000)
  closing.readyState = 2
  first.close(closing, 4000, '')
  now = 2_200
  first.tick()
  t.equal(closing.terminated, 1)
  t.equal(socket.terminated, 0)
})

t.test('a close that throws has changed nothing', async t => {
  const closer = new Closer()
  const socket = new Fake(1_000)
  t.throws(() => closer.close(socket, 1005, ''), TypeError)
  t.equal(closer.size, 0)
  let events = 0
  socket.on(closingEvent, () => { events++ })
  closer.close(socket, 4000, '')
  t.equal(closer.size, 1)
  t.equal(events, 1)
})

t.test('no listener hears a peer that is closed, whenever it came, unless that is wanted', async t => {
  for (const heard of [false, true]) {
    const socket = new Fake()
    const events: unknown[] = []
    socket.on('message', (...given) => { events.push(given) }).on('pong', (...given) => { events.push(given) })
    new Closer().close(socket, 4000, '', { heard })
    socket.on('message', (...given) => { events.push(given) })
    t.equal(isHeard(socket), heard)
    socket.emit('message', 'order', false)
    socket.emit('pong', 'a')
    t.strictSame(events, heard ? [['order', false], ['order', false], ['a']] : [['a']])
  }
})

t.test('what is no more than closable is closed', async t => {
  let now = 0
  const closer = new Closer(2_000, 120_000, () => now)
  const calls: unknown[] = []
  closer.close({ close: (...given) => { calls.push(given) }, terminate: () => { calls.push('terminate') } }, 4000, 'bye')
  now = 2_200
  closer.tick()
  t.strictSame(calls, [[4000, 'bye'], 'terminate'])
})

/** A server's socket with far more to send than a network takes from a peer that does not read. */
async function full (t: Test) {
  const { port, connections } = await listen(t)
  const client = mute(t, port)
  const server = await connections.next()
  client.pause()
  server.on('error', () => {})
  server.send(Buffer.alloc(32 * 1024 * 1024))
  t.ok(server.bufferedAmount > 0)
  return { client, server }
}

t.test('a close frame behind what a peer does not read: ws waits as long as the closer', async t => {
  const { client, server } = await full(t)
  let now = 0
  const closer = new Closer(50, 60_000, () => now)
  closer.close(server, 4000, '')
  now = 30_000
  closer.tick()
  t.equal(server.readyState, 2)
  client.resume()
  // Sent after the close, it counts as waiting for ever: the frame itself tells.
  server.send('late', () => {})
  while (!(server as unknown as { _closeFrameSent: boolean })._closeFrameSent) await new Promise(resolve => setImmediate(resolve))
  const closed = once(server, 'close')
  now = 30_200
  closer.tick()
  t.equal(server.readyState, 2, 'it has time to answer')
  now = 200_000
  closer.tick()
  await closed
})
