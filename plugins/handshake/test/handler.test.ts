import t, { type Test } from 'tap'
import { Closer } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import { EventEmitter, once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { EarlyFrames } from '../src/early-frames.js'
import type { WsHandler } from '../src/index.js'
import { PendingHandler } from '../src/pending-handler.js'
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

t.test('a socket is not read while more waits for the handler than allowed', async t => {
  const size = 60_000
  for (const [options, send] of [
    [{ maxEarlyFrames: 2 }, (client: Client) => { for (let n = 0; n < 300; n++) client.socket.send(`${n}`.padEnd(size)) }],
    [{ maxEarlyBytes: 2 * size }, (client: Client) => { for (let n = 0; n < 300; n++) client.socket.send(`${n}`.padEnd(size)) }],
    [{}, (client: Client) => { for (let n = 0; n < 300; n++) client.socket.send(`${n}`) }]
  ] as const) {
    const ready = deferred()
    const seen: number[] = []
    const all = deferred()
    let socket: WebSocket | undefined
    const { connect, sign } = await build(t, {
      handler: async opened => {
        socket = opened
        await ready.promise
        opened.on('message', data => { if (seen.push(Number(data)) === 300) all.resolve() })
      },
      options
    })
    const client = connect()
    t.match(await client.auth(sign()), { type: 'auth_ok' })
    send(client)
    while (socket?.isPaused !== true) await turn()
    if (Object.keys(options).length > 0) {
      for (let n = 0; n < 50; n++) await turn()
      t.ok(client.socket.bufferedAmount > 100 * size, 'most of it waits at the client')
    }
    ready.resolve()
    await all.promise
    t.strictSame(seen, Array.from({ length: 300 }, (_, n) => n))
    t.equal(socket?.isPaused, false)
    client.socket.close()
    t.strictSame((await client.closed)[0], 1005, 'and the close is read')
  }
})

t.test('a handler that never listens while frames wait loses its connection', async t => {
  const { connect, sign } = await build(t, {
    handler: async () => { await new Promise(() => {}) },
    options: { maxEarlyFrames: 2, listenTimeout: 20 }
  })
  const client = connect()
  await pipeline(t, client, sign(), 'a', 'b', 'c')
  await refused(t, client, 4413, 'early frame queue full', true)
})

t.test('each frame that a handler takes gives it more time, and somebody else may resume the socket', async t => {
  const calls: string[] = []
  const socket = Object.assign(new EventEmitter(), {
    OPEN: 1,
    readyState: 1,
    binaryType: 'nodebuffer' as const,
    pause: () => calls.push('pause'),
    resume: () => calls.push('resume')
  })
  const recipient = { deliver: (data: unknown) => calls.push(String(data)), unheard: () => calls.push('unheard') }
  const handler = new PendingHandler(socket as never, recipient as never, {
    newQueue: () => new EarlyFrames(2, 100),
    sweep: { set: (_: unknown, delay: number) => calls.push(`in ${delay}`), clear: () => calls.push('in time') } as never,
    settings: { listenTimeout: 7 }
  }, 0)
  const frame = (text: string) => handler.receive(Buffer.from(text), false)
  const did = () => calls.splice(0).join(', ')
  frame('a')
  t.equal(did(), '')
  frame('b')
  t.equal(did(), 'pause, in 7')
  frame('c')
  frame('d')
  t.equal(did(), 'pause, pause', 'what was read already is kept, and the time goes on')
  const once = () => socket.once('message', () => {})
  recipient.deliver = (data: unknown) => {
    socket.removeAllListeners('message')
    return calls.push(String(data))
  }
  once()
  await turn()
  t.equal(did(), 'a, pause, in 7')
  once()
  await turn()
  t.equal(did(), 'b, pause, in 7')
  once()
  await turn()
  t.equal(did(), 'c, in time, resume')
  handler.expire()
  t.equal(did(), 'unheard')
  frame('e')
  t.equal(did(), 'pause, in 7')
  handler.discard()
  t.equal(did(), 'in time, resume', 'or the answer to the close frame would not be read')
})

t.test('a closing socket is read, no matter what closes it, and only a shutdown lets what waits pass', async t => {
  for (const [how, delivered] of [
    [(socket: WebSocket) => { socket.close(4001, 'by the application') }, []],
    [(socket: WebSocket) => { new Closer(10_000).close(socket, 4001, 'by a plugin') }, []],
    [(socket: WebSocket) => { new Closer(10_000).close(socket, 4001, 'in a shutdown', { heard: true }) }, ['0', '1']]
  ] as const) {
    const seen: string[] = []
    const listening = deferred()
    let opened: WebSocket | undefined
    const { app, connect, sign } = await build(t, {
      handler: async socket => {
        opened = socket
        await listening.promise
        socket.on('message', data => { seen.push(String(data)) })
        await new Promise(() => {})
      },
      options: { maxEarlyFrames: 2 }
    })
    const client = connect()
    await pipeline(t, client, sign(), '0', '1')
    while (opened?.isPaused !== true) await turn()
    const closed = once(opened, 'close')
    how(opened)
    t.equal(opened.isPaused, false)
    listening.resolve()
    t.equal((await closed)[0], 4001, 'the answer of the client was read')
    t.strictSame(seen, delivered)
    await app.close()
  }
})

t.test('what a closing socket brings is kept within the bounds', async t => {
  const socket = Object.assign(new EventEmitter(), {
    OPEN: 1, readyState: 2, binaryType: 'nodebuffer' as const, pause: () => { t.fail('paused') }, resume: () => { t.fail('resumed') }
  })
  let kept = 0
  const queue = new EarlyFrames(2, 100)
  const handler = new PendingHandler(socket as never, { deliver: () => { kept++ } } as never, { newQueue: () => queue } as never, 0)
  for (let n = 0; n < 5; n++) handler.receive(Buffer.from('x'), false)
  t.equal(queue.isFull, true)
  socket.readyState = 1
  handler.settle()
  t.equal(kept, 2)
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
