import t from 'tap'
import { once } from 'node:events'
import { build, connect, settle } from './helpers.js'

t.test('a thousand connections get each message', async t => {
  const { app, hub, port, next } = await build(t)
  const clients = Array.from({ length: 1_000 }, (_, index) => connect(t, port, `/ws?subject=user-${index % 100}`))
  await Promise.all(clients.map(client => once(client, 'open')))
  for (let index = 0; index < 1_000; index++) {
    const socket = await next()
    if (index % 2 === 0) hub.join(socket, 'even')
  }
  t.equal(hub.count(), 1_000)
  t.equal(hub.subjects().length, 100)
  let received = 0
  for (const client of clients) client.on('message', () => { received++ })
  t.equal(hub.broadcast('to all'), 1_000)
  t.equal(hub.publish('even', 'to half'), 500)
  await settle(...clients)
  t.equal(received, 1_500)
  await app.close()
  t.equal(hub.count(), 0)
})

t.test('connections that close during a broadcast do not keep it from the others', async t => {
  const { hub, pair } = await build(t, { options: { perMessageDeflate: true } })
  // With compression the hub calls `send`, which closes other connections here.
  const first = await pair('/ws?subject=first', { perMessageDeflate: true })
  const second = await pair('/ws?subject=second')
  const third = await pair('/ws?subject=third')
  const fourth = await pair('/ws?subject=fourth')
  t.intercept(first.socket, 'send', {
    value: (data: Buffer) => {
      second.socket.close(4000)
      third.socket.terminate()
      first.socket.ping(data)
    }
  })
  const pinged = once(first.client, 'ping')
  const closes = [second, third].map(({ client }) => once(client, 'close'))
  t.equal(hub.broadcast('hello'), 2)
  await Promise.all(closes)
  t.equal(String(await pinged), 'hello')
  await settle(fourth.client)
  t.strictSame([second, third, fourth].map(({ messages }) => messages), [[], [], ['hello']])
})

t.test('a peer that has vanished does not keep a broadcast from the others', async t => {
  const { hub, pair } = await build(t)
  const gone = await pair('/ws?subject=gone')
  const { client, messages } = await pair('/ws?subject=here')
  gone.client.terminate()
  const closed = once(gone.socket, 'close')
  t.equal(hub.broadcast('hello'), 2, 'the server does not know yet')
  await closed
  t.equal(hub.broadcast('again'), 1)
  await settle(client)
  t.strictSame(messages, ['hello', 'again'])
})

t.test('a connection that throws is logged and terminated, the others get the message', async t => {
  const lines: string[] = []
  const { hub, pair } = await build(t, {
    options: { perMessageDeflate: true },
    fastify: { logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } }
  })
  const broken = await pair('/ws?subject=broken', { perMessageDeflate: true })
  const { client, messages } = await pair('/ws?subject=sound')
  broken.socket.send = () => { throw new Error('broken on purpose') }
  const closed = once(broken.client, 'close')
  t.equal(hub.broadcast('the message'), 1)
  t.equal((await closed)[0], 1006)
  await settle(client)
  t.strictSame(messages, ['the message'])
  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0] as string), { level: 50, err: { message: 'broken on purpose' } })
  t.notMatch(lines[0], /the message/, 'what was sent is not logged')
})
