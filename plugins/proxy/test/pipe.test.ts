import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { build, connect, deferred, echo, frame, tcp, until, upgrade, upstream } from './helpers.js'

t.test('text stays text and binary stays binary, byte for byte and in order', async t => {
  const far = await upstream(t, { onConnection: echo })
  const { port } = await build(t, { proxy: { upstream: far.url } })
  const { socket, next } = await connect(t, port).then(peer => ({ socket: peer.socket, next: () => peer.next() }))
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  for (const message of ['', 'text', 'ünï ☃ 🚀', Buffer.alloc(0), all, Buffer.alloc(60_000, 7), 'x'.repeat(65_536)]) {
    socket.send(message)
    const { data, isBinary } = await next()
    t.equal(isBinary, typeof message !== 'string')
    t.ok((data as Buffer).equals(Buffer.from(message as string)))
  }
  for (let i = 0; i < 1_000; i++) socket.send(i % 2 === 0 ? `${i}` : Buffer.from(`${i}`))
  for (let i = 0; i < 1_000; i++) {
    const { data, isBinary } = await next()
    if (String(data) !== `${i}` || isBinary !== (i % 2 === 1)) return t.fail(`message ${i}`)
  }
})

t.test('fragments are joined', async t => {
  const far = await upstream(t, {
    onConnection: ({ socket }) => {
      socket.send('one, ', { fin: false })
      socket.ping('in between')
      socket.send('two, ', { fin: false })
      socket.send('three')
    }
  })
  const { port } = await build(t, { proxy: { upstream: far.url } })
  const near = await connect(t, port)
  t.equal(await near.text(), 'one, two, three')

  tcp(t, port, upgrade(), frame('eins, ', { fin: false }), frame('', { opcode: 9 }), frame('zwei', { opcode: 0 }))
  await far.next()
  t.equal(await (await far.next()).text(), 'eins, zwei')
})

t.test('early messages of the upstream wait for the client, in order', async t => {
  const hook = deferred()
  const far = await upstream(t, {
    onConnection: ({ socket }) => {
      for (let i = 0; i < 500; i++) socket.send(`${i}`)
      socket.close(4000, 'that is all')
    }
  })
  const { app, port } = await build(t, { proxy: { upstream: far.url }, after: [async () => { await hook.promise }] })
  const connecting = connect(t, port)
  await until(() => app.wsProxy.open === 1)
  await sleep(50)
  hook.resolve()
  const near = await connecting
  t.same(await near.closed, [4000, 'that is all'])
  t.same(near.received.map(({ data }) => String(data)), Array.from({ length: 500 }, (_, i) => `${i}`))
})

t.test('too many early messages wait at the upstream', async t => {
  const hook = deferred()
  const far = await upstream(t, {
    onConnection: ({ socket }) => { for (let i = 0; i < 512; i++) socket.send(Buffer.alloc(65_536, i)) }
  })
  const { app, port } = await build(t, { proxy: { upstream: far.url }, after: [async () => { await hook.promise }] })
  const connecting = connect(t, port)
  await until(() => app.wsProxy.open === 1)
  const { socket } = await far.next()
  await sleep(100)
  t.ok(socket.bufferedAmount > 16 * 1024 * 1024, `${socket.bufferedAmount} bytes wait there`)
  hook.resolve()
  const near = await connecting
  for (let i = 0; i < 512; i++) {
    const { data } = await near.next()
    if ((data as Buffer).length !== 65_536 || (data as Buffer)[0] !== i % 256) return t.fail(`message ${i}`)
  }
})

t.test('messages that the client sends together with its upgrade arrive', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url } })
  tcp(t, port, upgrade(), frame('first'), frame('second'))
  const peer = await far.next()
  t.equal(await peer.text(), 'first')
  t.equal(await peer.text(), 'second')
})

t.test('pings are answered by the next hop', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url } })
  const near = await connect(t, port)
  const peer = await far.next()
  let passedOn = 0
  near.socket.on('ping', () => { passedOn++ })
  peer.socket.on('ping', () => { passedOn++ })
  peer.socket.ping('far')
  t.equal(String((await once(peer.socket, 'pong'))[0]), 'far')
  near.socket.ping('near')
  t.equal(String((await once(near.socket, 'pong'))[0]), 'near')
  near.socket.send('after')
  await peer.text()
  t.equal(passedOn, 0)
})

t.test("with `forward` the client answers the upstream's pings", async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url, pings: 'forward' } })
  const near = await connect(t, port)
  const peer = await far.next()
  const pong = once(peer.socket, 'pong')
  peer.socket.ping('are you there?')
  t.equal(String((await once(near.socket, 'ping'))[0]), 'are you there?')
  t.equal(String((await pong)[0]), 'are you there?')

  const mute = tcp(t, port, upgrade())
  await once(mute, 'data')
  const other = await far.next()
  let pongs = 0
  other.socket.on('pong', () => { pongs++ })
  other.socket.ping()
  await once(mute, 'data')
  other.socket.send('after')
  await once(mute, 'data')
  t.equal(pongs, 0, 'the proxy does not answer in its place')
  other.socket.close()
  mute.destroy()
  await other.closed
})

t.test('a pong is dropped when the upstream has gone', async t => {
  const far = await upstream(t)
  const { port } = await build(t, { proxy: { upstream: far.url, pings: 'forward', closeTimeout: 100 } })
  const socket = tcp(t, port, upgrade())
  await once(socket, 'data')
  ;(await far.next()).socket.close(4000)
  await once(socket, 'data')
  socket.write(frame('', { opcode: 10 }))
  socket.resume()
  await once(socket, 'end')
  t.pass()
})
