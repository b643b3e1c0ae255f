import t, { type Test } from 'tap'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import type { WsHandler } from '../src/index.js'
import { build, type Client, deferred, refused } from './helpers.js'

/** Shows a token and sends frames without waiting for the answer. */
async function pipeline (t: Test, client: Client, token: string, ...frames: string[]) {
  await client.opened()
  client.json({ type: 'auth', token })
  for (const data of frames) client.socket.send(data)
  t.match(await client.next(), { type: 'auth_ok' })
}

t.test('a handler that throws or rejects is logged and closes with 4500', async t => {
  const handlers: WsHandler[] = [
    () => { throw new Error('broken handler') },
    async () => { throw new Error('broken handler') },
    async () => {
      await turn()
      throw new Error('broken handler')
    }
  ]
  for (const handler of handlers) {
    const { connect, sign, lines } = await build(t, { handler })
    const client = connect()
    await pipeline(t, client, sign(), 'one')
    await refused(t, client, 4500, 'internal error', true)
    t.equal(lines.filter(line => line.includes('broken handler')).length, 1)
  }
})

t.test('an asynchronous handler that listens late loses nothing', async t => {
  const listen = deferred()
  const { connect, sign } = await build(t, {
    handler: async socket => {
      await listen.promise
      socket.on('message', (data, isBinary) => { socket.send(`${String(data)} ${isBinary}`) })
      await new Promise(() => {})
    }
  })
  const client = connect()
  await pipeline(t, client, sign(), 'one', 'two')
  client.socket.send(Buffer.from('three'))
  client.socket.ping()
  await once(client.socket, 'pong')
  listen.resolve()
  for (const answer of ['one false', 'two false', 'three true']) t.equal(await client.next(), answer)
  client.socket.send('four')
  t.equal(await client.next(), 'four false')
})

t.test('an asynchronous handler that listens late by `onmessage` loses nothing', async t => {
  const { connect, sign } = await build(t, {
    handler: async socket => {
      await turn()
      socket.onmessage = ({ data }) => { socket.send(`got ${String(data)}`) }
      await turn()
    }
  })
  const client = connect()
  await pipeline(t, client, sign(), 'one')
  t.equal(await client.next(), 'got one')
})

t.test('a handler that listens for one message at a time misses none', async t => {
  const { connect, sign } = await build(t, {
    handler: async socket => {
      for (let n = 1; ; n++) {
        const [data] = await once(socket, 'message')
        // Some work between two messages.
        await turn()
        socket.send(`${n} ${String(data)}`)
      }
    }
  })
  const client = connect()
  await pipeline(t, client, sign(), 'a', 'b', 'c')
  for (const answer of ['1 a', '2 b', '3 c']) t.equal(await client.next(), answer)
  for (const data of ['d', 'e']) client.socket.send(data)
  for (const answer of ['4 d', '5 e']) t.equal(await client.next(), answer)
})

t.test('a listener and its replacement get the frames in order', async t => {
  const { connect, sign } = await build(t, {
    handler: async socket => {
      await turn()
      socket.once('message', first => {
        socket.on('message', other => { socket.send(`${String(first)} ${String(other)}`) })
      })
      await new Promise(() => {})
    }
  })
  const client = connect()
  await pipeline(t, client, sign(), 'a', 'b', 'c')
  for (const answer of ['a b', 'a c']) t.equal(await client.next(), answer)
})

t.test('frames go to all listeners once the handler has returned', async t => {
  const done = deferred()
  const { app, connect, sign } = await build(t, { handler: async () => { await done.promise } })
  const seen: string[] = []
  app.websocketServer.on('connection', socket => { socket.on('message', data => { seen.push(String(data)) }) })
  const client = connect()
  await pipeline(t, client, sign(), 'a', 'b')
  client.socket.ping()
  await once(client.socket, 'pong')
  t.strictSame(seen, [], 'a listener from before is not the handler\'s')
  done.resolve()
  client.socket.send('c')
  client.socket.ping()
  await once(client.socket, 'pong')
  t.strictSame(seen, ['a', 'b', 'c'])
})

t.test('no more frames than allowed wait for a handler that never listens', async t => {
  const { connect, sign } = await build(t, {
    handler: async () => { await new Promise(() => {}) },
    options: { maxEarlyFrames: 2 }
  })
  const client = connect()
  await pipeline(t, client, sign(), 'a', 'b', 'c')
  await refused(t, client, 4413, 'early frame queue full', true)
})

t.test('the protocol\'s own frames do not wait for the handler', async t => {
  const { connect, sign } = await build(t, { handler: async () => { await new Promise(() => {}) } })
  const client = connect()
  await pipeline(t, client, sign(), 'a')
  client.json({ type: 'refresh', token: sign() })
  t.match(await client.next(), { type: 'refresh_ok' })
})

t.test('a handler that rejects because its client has gone is logged and has no other effect', async t => {
  const { connect, sign, lines } = await build(t, {
    handler: async socket => {
      await once(socket, 'close')
      await turn()
      throw new Error('client gone')
    }
  })
  const client = connect()
  await pipeline(t, client, sign(), 'a')
  client.socket.terminate()
  while (!lines.some(line => line.includes('client gone'))) await turn()
  t.notOk(lines.some(line => line.includes('websocket refused')))
})

t.test('a handler that closes gets none of the frames that still wait', async t => {
  const seen: string[] = []
  const { connect, sign } = await build(t, {
    handler: async socket => {
      await turn()
      socket.on('message', data => {
        seen.push(String(data))
        socket.close(4000, 'enough')
      })
    }
  })
  const client = connect()
  await pipeline(t, client, sign(), 'a', 'b')
  t.strictSame(await client.closed, [4000, 'enough'])
  t.strictSame(seen, ['a'])
})
