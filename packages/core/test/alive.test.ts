import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { SignsOfLife } from '../src/index.js'

// A shared key needs no certificate.
const psk = Buffer.from('a key for these tests only')
const cipher = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const
const clientTls = { ...cipher, pskCallback: () => ({ psk, identity: 'test' }), checkServerIdentity: () => undefined } as object

const LINKS = [['plain', {}], ['TLS', { tls: true }], ['permessage-deflate', { perMessageDeflate: { threshold: 0 } }]] as const

/** A real connection whose server sends signs of life by a clock of the test. */
async function build (t: Test, interval: number, { transport = true, tls = false, perMessageDeflate = false as boolean | object } = {}) {
  let now = 1_000
  const signs = new SignsOfLife(interval, () => now)
  const server = tls ? createTlsServer({ ...cipher, pskCallback: () => psk }) : createServer()
  const sockets = new WebSocketServer({ server, perMessageDeflate })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = new WebSocket(`${tls ? 'wss' : 'ws'}://127.0.0.1:${port}`, { ...(tls && clientTls), perMessageDeflate })
  t.teardown(() => {
    signs.close()
    client.terminate()
    sockets.close()
    server.close()
  })
  const [socket, request] = await once(sockets, 'connection') as [WebSocket, { socket: Socket }]
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open')
  const got: string[] = []
  client.on('message', data => { got.push(String(data)) })
  signs.watch(socket, transport ? request.socket : undefined)
  return {
    signs,
    socket,
    client,
    stream: request.socket,
    skip: (ms: number) => {
      now += ms
      signs.tick()
    },
    /** Lets time pass in steps of a tenth of an interval. @returns what the client has got */
    pass: async (ms: number) => {
      for (const end = now + ms; now < end;) {
        now = Math.min(end, now + interval / 10)
        signs.tick()
      }
      // The pong comes after all that was sent before.
      client.ping()
      await once(client, 'pong')
      return got.splice(0)
    }
  }
}

const ALIVE = '{"type":"alive"}'

t.test('comes once in each interval of silence', async t => {
  for (const interval of [100, 25_000, 600_000]) {
    const { pass } = await build(t, interval)
    t.same(await pass(interval * 0.9), [])
    t.same(await pass(interval * 0.4), [ALIVE])
    const { length } = await pass(interval * 10)
    t.ok(length >= 8 && length <= 10, `${length}`)
  }
})

// Compressed messages leave later than they are sent, which a clock that jumps does not know.
for (const [link, how] of LINKS.slice(0, 2)) {
  t.test(`${link}: never within an interval of any message, and never much later`, async t => {
    const { pass, socket, stream } = await build(t, 1_000, how)
    for (const write of [() => socket.send('x'), () => stream.write(Buffer.from([0x81, 1, 0x78]))]) {
      for (let n = 0; n < 8; n++) {
        write()
        t.same(await pass(700), ['x'])
      }
      write()
      t.same(await pass(900), ['x'])
      t.same(await pass(400), [ALIVE])
    }
  })
}

t.test('pings and pongs are none, since a page does not see them', async t => {
  const { pass, socket, client } = await build(t, 1_000)
  let lives = 0
  for (let n = 0; n < 20; n++) {
    socket.ping()
    socket.ping('text')
    socket.ping(Buffer.alloc(5), false, () => {})
    socket.pong(7)
    client.ping('and an answer')
    lives += (await pass(300)).length
  }
  t.ok(lives >= 4 && lives <= 6, `${lives} in six intervals`)
})

for (const [link, how] of LINKS) {
  // All that the methods of ws take.
  for (const [kind, ...args] of [
    ['no data'], ['null', null], ['a string', 'é'], ['a number', 123], ['a Buffer', Buffer.alloc(5)], ['a Uint8Array', new Uint8Array([1, 2, 3])],
    ['an ArrayBuffer', new ArrayBuffer(7)], ['a DataView', new DataView(new ArrayBuffer(4))],
    ['a callback', () => {}], ['data and a callback', 'text', () => {}], ['too much', 'x'.repeat(126)]
  ] as Array<[string, ...Parameters<WebSocket['ping']>]>) {
    t.test(`${link}: ${kind} in pings and pongs is no sign of life`, async t => {
      const { pass, socket } = await build(t, 1_000, how)
      let lives = 0
      for (let n = 0; n < 20; n++) {
        for (const method of ['ping', 'pong'] as const) {
          try {
            socket[method](...args)
          } catch (error) {
            t.match(error, { message: /125/ })
          }
        }
        lives += (await pass(300)).length
      }
      t.ok(lives >= 4 && lives <= 6, `${lives} in six intervals`)
    })
  }
}

t.test('what leaves late was sent in time', async t => {
  const { pass, socket, stream } = await build(t, 1_000)
  stream.cork()
  for (let n = 0; n < 5; n++) {
    socket.send('x')
    stream.uncork()
    stream.cork()
    await turn()
  }
  stream.uncork()
  t.same(await pass(900), ['x', 'x', 'x', 'x', 'x'])
})

t.test('without the transport it comes whatever is sent', async t => {
  const { pass, socket } = await build(t, 1_000, { transport: false })
  socket.send('x')
  t.same(await pass(1_300), ['x', ALIVE])
})

t.test('a closed connection is forgotten', async t => {
  const { signs, socket, client } = await build(t, 1_000)
  t.equal(signs.size, 1)
  client.close()
  await once(socket, 'close')
  socket.ping('nothing is counted', false, () => {})
  signs.close()
  t.equal(signs.size, 0)
  const closing = await build(t, 1_000)
  closing.client.terminate()
  await once(closing.socket, 'close')
  closing.skip(200)
  t.equal(closing.signs.size, 0)
})

t.test('the look at its end is not late, whatever the interval', async t => {
  for (const interval of [45_000, 61_000, 604_000]) {
    const { signs, skip, client } = await build(t, interval)
    const got: unknown[] = []
    client.on('message', data => { got.push(String(data)) })
    for (let ms = 0; ms < interval + 5_200; ms += 100) skip(100)
    client.ping()
    await once(client, 'pong')
    t.strictSame(got, [ALIVE], `${interval}`)
    t.equal(signs.size, 1)
  }
})

t.test('uses the clock of the process', async t => {
  const signs = new SignsOfLife(1)
  const sent = new Promise(resolve => {
    signs.watch({ OPEN: 1, readyState: 1, send: resolve, ping () {}, pong () {} })
  })
  // The timer does not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  t.equal(await sent, ALIVE)
  clearInterval(alive)
  signs.close()
})
