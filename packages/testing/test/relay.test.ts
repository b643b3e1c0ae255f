import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { relayTo } from '../src/index.js'

/** A relay, and both ends of a connection through it. */
async function build (t: Test, { allowHalfOpen = false } = {}) {
  const server = net.createServer({ allowHalfOpen })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const relay = await relayTo((server.address() as AddressInfo).port, t)
  const incoming = once(server, 'connection')
  const client = net.connect({ port: relay.port, host: '127.0.0.1', allowHalfOpen })
  const [socket] = await incoming as [net.Socket]
  const got = { client: '', server: '' }
  client.setEncoding('latin1').on('data', text => { got.client += text }).on('error', () => {})
  socket.setEncoding('latin1').on('data', text => { got.server += text }).on('error', () => {})
  t.teardown(() => {
    client.destroy()
    socket.destroy()
  })
  return { relay, client, server: socket, got }
}

/** Not `once`, which an error would reject. */
const closed = async (socket: net.Socket): Promise<void> => await new Promise(resolve => socket.once('close', () => resolve()))

t.test('passes both ways, in order, and ends', async t => {
  const { relay, client, server, got } = await build(t, { allowHalfOpen: true })
  const text = Array.from({ length: 20_000 }, (_, index) => `${index},`).join('')
  client.end(text)
  await once(server, 'end')
  t.equal(got.server, text)
  server.end(text)
  await once(client, 'end')
  t.equal(got.client, text)
  t.equal(relay.down.passed, text.length)
  t.equal(relay.up.passed, text.length)
})

t.test('lets pass as many bytes as it is told, one way, and nothing while frozen', async t => {
  const { relay, client, server, got } = await build(t)
  relay.down.freeze()
  server.end('0123456789')
  client.write('up')
  await once(server, 'data')
  t.equal(got.client, '', 'the other way is not frozen')
  let passed = 0
  for (const bytes of [1, 3]) {
    relay.down.allow(bytes)
    await relay.down.until(passed += bytes)
    while (got.client.length < passed) await once(client, 'data')
  }
  t.equal(got.client, '0123')
  relay.down.thaw()
  await once(client, 'end')
  t.equal(got.client, '0123456789')
})

t.test('throttles', async t => {
  const { relay, client, server, got } = await build(t)
  relay.down.throttle(64 * 1024)
  const begun = performance.now()
  server.end(Buffer.alloc(16 * 1024))
  await once(client, 'end')
  t.equal(got.client.length, 16 * 1024)
  t.ok(performance.now() - begun >= 200, 'a quarter of a second at least, less what a beat may round')
})

t.test('cuts at any byte', async t => {
  for (const at of [1, 7, 10]) {
    const { relay, client, server, got } = await build(t)
    relay.down.cutAfter(at)
    const gone = closed(client)
    const lost = closed(server)
    server.write('0123456789')
    await gone
    await lost
    t.equal(got.client, '0123456789'.slice(0, at))
    t.equal(relay.size, 0)
  }
  const { relay, client, server } = await build(t)
  server.write('0123456789')
  await relay.down.until(10)
  const gone = closed(client)
  relay.down.cutAfter(5)
  await gone
  t.pass('also when they have passed already')
})

t.test('a cable that is pulled and put back, and one that is cut', async t => {
  const { relay, client, server, got } = await build(t)
  t.ok(relay.flows)
  relay.freeze()
  t.notOk(relay.flows)
  server.write('held')
  client.write('held')
  await new Promise(resolve => setImmediate(resolve))
  t.same(got, { client: '', server: '' })
  const both = [once(client, 'data'), once(server, 'data')]
  relay.thaw()
  await Promise.all(both)
  t.same(got, { client: 'held', server: 'held' })
  relay.down.freezeAfter(3)
  server.write('abcdef')
  await relay.down.until(4 + 3)
  while (got.client.length < 7) await once(client, 'data')
  t.equal(got.client, 'heldabc')
  relay.thaw()
  const gone = [closed(client), closed(server)]
  relay.cut()
  await Promise.all(gone)
  await relay[Symbol.asyncDispose]()
})

t.test('waits for a peer that does not read', async t => {
  const { relay, client, server, got } = await build(t)
  client.pause()
  const size = 16 * 1024 * 1024
  server.end(Buffer.alloc(size))
  // More than both machines hold for a peer that does not read: the relay has to wait for it.
  await relay.down.until(1)
  client.resume()
  await once(client, 'end')
  t.equal(got.client.length, size)
})

t.test('waits for a reader that takes its time, and loses nothing', async t => {
  const { relay, client, server, got } = await build(t)
  const much = 'x'.repeat(32 * 1024 * 1024)
  client.pause()
  server.write(much)
  await relay.down.until(1024 * 1024)
  t.ok(relay.down.passed < much.length, 'it is more than what all kernels and streams on the way hold together')
  client.resume()
  while (got.client.length < much.length) await once(client, 'data')
  t.equal(got.client.length, much.length)
})
