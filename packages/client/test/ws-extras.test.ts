import type { WsHandler } from '@fastify-airlock/handshake'
import { createWebSocketClass as imported } from '@fastify-airlock/client/websocket'
import { EventEmitter, getEventListeners, on, once } from 'node:events'
import t, { type Test } from 'tap'
import { WebSocket as Undici } from 'undici'
import { WebSocket as Undici6 } from 'undici-6'
import { createWebSocketStream, WebSocket as Ws } from 'ws'
import * as everywhere from '../src/websocket.js'
import * as node from '../src/websocket-node.js'
import { fakes, jwt } from './helpers.js'
import { serve } from './server.js'
import { next, watch } from './websocket.js'

/** A class for Node on the sockets of `ws`, and a server for it. */
async function build (t: Test, handler: WsHandler, WebSocket: typeof Ws | null = Ws) {
  const { app, port } = await serve(t, { handler })
  const base = `http://127.0.0.1:${port}`
  const sign = (): string => app.jwt.sign({ sub: 'alice' }, { expiresIn: 60 })
  const Class = node.createWebSocketClass({
    getTicket: ({ signal }) => fetch(`${base}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${sign()}` }, signal }),
    getToken: sign,
    ...(WebSocket && { WebSocket })
  })
  const create = (): InstanceType<typeof Class> => {
    const socket = new Class(`ws://127.0.0.1:${port}/ws`)
    t.teardown(() => { socket.terminate() })
    return socket
  }
  return { Class, create }
}

/** The same over fake sockets. */
function fake () {
  const sockets = fakes()
  const Class = node.createWebSocketClass({ getTicket: () => 'ticket', getToken: () => jwt('alice'), WebSocket: sockets.WebSocket })
  return { Class, sockets }
}

const echo: WsHandler = socket => { socket.on('message', (data, isBinary) => { socket.send(data as Buffer, { binary: isBinary }) }) }

t.test('Node gets an entry of its own, with the same names', async t => {
  t.equal(imported, node.createWebSocketClass)
  t.same(Object.keys(node).sort(), Object.keys(everywhere).sort())
})

t.test('where there is no WebSocket, it takes that of ws', async t => {
  t.intercept(globalThis, 'WebSocket', { value: undefined })
  const { create } = await build(t, echo, null)
  const socket = create()
  await once(socket, 'open')
  t.type(socket.ping, 'function')
  const { WebSocket, all, next } = fakes()
  t.intercept(globalThis as any, 'WebSocket', { value: WebSocket })
  const Class = node.createWebSocketClass({})
  const other = new Class('ws://server.test/ws')
  await next()
  t.equal(all.length, 1, 'the global one comes first')
  other.close()
})

t.test('the events of ws, in its form', async t => {
  const { create } = await build(t, echo)
  const socket = create()
  const seen: unknown[][] = []
  const add = (name: string) => (...args: unknown[]) => { seen.push([name, ...args]) }
  for (const name of ['open', 'message', 'close', 'pong', 'ping']) socket.on(name, add(name))
  socket.once('message', add('once'))
  socket.addListener('message', add('removed')).prependListener('open', add('first'))
  socket.off('message', socket.listeners('message').at(-1) as () => void)
  t.equal(socket.listenerCount('message'), 2)
  await once(socket, 'open')
  const messages = on(socket, 'message')
  for (const data of ['text', new Uint8Array([1])]) {
    socket.send(data)
    await messages.next()
  }
  socket.binaryType = 'arraybuffer'
  socket.send(new Uint8Array([2]))
  await messages.next()
  const pong = once(socket, 'pong')
  socket.ping?.('are you there')
  await pong
  socket.close(4001, 'bye')
  await once(socket, 'close')
  t.same(seen, [
    ['first'], ['open'],
    ['message', Buffer.from('text'), false], ['once', Buffer.from('text'), false],
    ['message', Buffer.from([1]), true],
    ['message', new Uint8Array([2]).buffer, true],
    ['pong', Buffer.from('are you there')],
    ['close', 4001, Buffer.from('bye')]
  ])
  socket.removeAllListeners()
  t.same(socket.eventNames(), [])
})

t.test('a listener is called on the socket, and an error without one is none', async t => {
  const { Class, sockets } = fake()
  const socket = new Class('ws://server.test/ws')
  const seen = watch(socket)
  const self = new Promise(resolve => { socket.on('close', function (this: unknown) { resolve(this) }) })
  ;(await sockets.next()).end()
  t.equal(await self, socket)
  t.match(seen[0], ['error'])
  const other = new Class('ws://server.test/other')
  const error = new Promise<Error>(resolve => { other.on('error', resolve) })
  ;(await sockets.next()).end()
  t.match(await error, { code: 'WSA_CLIENT_ERR_UNREACHABLE' })
  t.throws(() => new (Class as any)(), { name: 'TypeError' })
})

t.test('a stream of ws over it', async t => {
  const { create } = await build(t, echo)
  const stream = createWebSocketStream(create() as unknown as Ws, { readableHighWaterMark: 1_024 })
  const chunk = Buffer.alloc(10_000, 'x')
  for (let n = 0; n < 5; n++) stream.write(chunk)
  let size = 0
  for await (const data of stream) {
    size += (data as Buffer).length
    if (size < 50_000) continue
    stream.end()
    break
  }
  t.equal(size, 50_000)
  const other = create()
  const ended = createWebSocketStream(other as unknown as Ws)
  ended.on('data', () => {})
  ended.write('x')
  ended.end()
  await once(ended, 'end')
  t.equal(other.readyState, 3)
  const late = createWebSocketStream(other as unknown as Ws)
  late.on('error', () => {}).end()
  t.equal(late.writableEnded, true, 'one that has ended before')
})

t.test('it can be paused where the sockets below can', async t => {
  const { create } = await build(t, echo)
  const socket = create()
  t.equal(socket.isPaused, false)
  await once(socket, 'open')
  socket.pause()
  t.equal(socket.isPaused, true)
  socket.send('x')
  socket.resume()
  t.same(await once(socket, 'message'), [Buffer.from('x'), false])
  const { Class, sockets } = fake()
  const other = new Class('ws://server.test/ws')
  ;(await sockets.next()).admit()
  other.pause()
  other.resume()
  t.equal(other.isPaused, false)
})

t.test('send calls back when the message has been taken, or will not be', async t => {
  const { create } = await build(t, echo)
  const { Class, sockets } = fake()
  const other = new Class('ws://server.test/ws')
  ;(await sockets.next()).admit()
  const own = create()
  await once(own, 'open')
  for (const socket of [own, other]) {
    t.notOk(await new Promise(resolve => { socket.send('x', resolve) }))
    t.notOk(await new Promise(resolve => { socket.send('x', { binary: false }, resolve) }))
    socket.send('x', {})
    t.throws(() => { (socket.send as any)() }, { name: 'TypeError' })
    socket.close()
    t.match(await new Promise(resolve => { socket.send('x', resolve) }), { name: 'InvalidStateError' })
    socket.send('x')
  }
})

t.test('terminate, in every state', async t => {
  const { create } = await build(t, echo)
  const { Class, sockets } = fake()
  const early = new Class('ws://server.test/ws')
  const earlySeen = watch(early)
  early.terminate()
  early.terminate()
  await next(early, 'close')
  early.terminate()
  t.same(earlySeen, [['error', 'WSA_CLIENT_ERR_CLOSED'], ['close', 1006, '', false]])

  const own = create()
  await once(own, 'open')
  const ownSeen = watch(own)
  own.terminate()
  t.equal(own.readyState, 2)
  await next(own, 'close')
  t.same(ownSeen, [['close', 1006, '', false]])

  const other = new Class('ws://server.test/ws')
  const under = (await sockets.next()).admit()
  const otherSeen = watch(other)
  other.close(4001)
  other.terminate()
  await next(other, 'close')
  under.onclose?.({ code: 4001, reason: '', wasClean: true })
  t.same(otherSeen, [['close', 1006, '', false]], 'where there is no terminate below')
})

t.test('send takes the option binary, as ws does', async t => {
  const bytes = Buffer.from('grün')
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const table: Array<[data: any, options: object | undefined, binary: boolean]> = [
    ['grün', undefined, false], ['grün', {}, false], ['grün', { binary: false }, false], ['grün', { binary: true }, true], ['grün', { binary: undefined }, false], ['grün', { compress: false }, false],
    ...[bytes, buffer, new DataView(buffer), new Blob([bytes])].flatMap((data): typeof table => [[data, undefined, true], [data, {}, true], [data, { binary: true }, true]]),
    ...[bytes, buffer, new DataView(buffer)].map((data): typeof table[0] => [data, { binary: false }, false])
  ]
  for (const WebSocket of [Ws, Undici]) {
    const { create } = await build(t, echo, WebSocket as never)
    const socket = create()
    await once(socket, 'open')
    const messages = on(socket, 'message')
    for (const [data, options, binary] of table) {
      socket.send(data, ...(options ? [options] : []) as [{ binary?: boolean }])
      t.same((await messages.next()).value, [bytes, binary], `${Object.prototype.toString.call(data)} ${JSON.stringify(options)}`)
    }
  }
  const { Class, sockets } = fake()
  const socket = new Class('ws://server.test/ws')
  const under = (await sockets.next()).admit()
  const blob = new Blob([bytes])
  socket.send(blob, { binary: false })
  t.equal(under.sent.at(-1), blob, 'a Blob cannot be read at once, and stays what it is')
})

t.test('every method of an EventEmitter is there and does what it does there', async t => {
  const { Class } = fake()
  const socket = new Class('ws://server.test/ws') as any
  const emitter = new EventEmitter() as any
  const methods = Object.keys(EventEmitter.prototype).filter(name => typeof emitter[name] === 'function')
  t.ok(methods.includes('prependOnceListener'))
  for (const name of methods) t.equal(typeof socket[name], 'function', name)
  for (const each of [emitter, socket]) {
    const seen: string[] = []
    t.equal(each.setMaxListeners(3), each)
    t.equal(each.getMaxListeners(), 3)
    const listener = (): void => { seen.push('listener') }
    each.on('x', listener).prependOnceListener('x', () => { seen.push('first') }).once('x', () => { seen.push('once') })
    t.equal(each.rawListeners('x').length, 3)
    t.equal(each.rawListeners('x')[1], listener)
    t.not(each.rawListeners('x')[2], each.listeners('x')[2])
    each.emit('x')
    each.emit('x')
    t.same(seen, ['first', 'listener', 'once', 'listener'])
    t.same(each.eventNames(), ['x'])
  }
  t.equal(Class.name, 'WebSocket')
  t.same(getEventListeners(socket, 'x').length, 1)
  socket.close()
})

t.test('ping and pong never throw once a socket has been closed, dialed or not', async t => {
  const { create } = await build(t, echo)
  for (const dialed of [false, true]) {
    const socket = create()
    if (dialed) await once(socket, 'open')
    else for (const method of ['ping', 'pong'] as const) t.throws(() => { socket[method]?.() }, { name: 'InvalidStateError' })
    socket.close()
    for (const moment of ['closing', 'closed']) {
      for (const method of ['ping', 'pong'] as const) {
        t.doesNotThrow(() => { socket[method]?.() }, `${method}, ${moment}`)
        t.match(await new Promise(resolve => { socket[method]?.('data', true, resolve) }), { name: 'InvalidStateError' }, `${method}, ${moment}`)
        t.match(await new Promise(resolve => { (socket[method] as any)(resolve) }), { name: 'InvalidStateError' }, `${method} with a callback alone, ${moment}`)
      }
      if (socket.readyState !== 3) await next(socket, 'close')
    }
  }
})

t.test('ping and pong are there where the sockets below have them', async t => {
  const { create } = await build(t, socket => {
    socket.on('pong', data => { socket.send(String(data)) })
    socket.ping('from the server')
  })
  const socket = create()
  t.throws(() => { socket.ping?.() }, { name: 'InvalidStateError' })
  socket.on('ping', data => { socket.emit('asked', String(data)) })
  t.same(await once(socket, 'asked'), ['from the server'])
  socket.pong?.('unasked')
  t.same(await once(socket, 'message'), [Buffer.from('from the server'), false])
  const { Class } = fake()
  t.notOk('ping' in Class.prototype)
})

t.test('sockets of undici, which Node has, have neither; everything else is there', async t => {
  for (const WebSocket of [Undici, Undici6]) {
    const { Class, create } = await build(t, echo, WebSocket as never)
    t.same(['ping', 'pong'].filter(name => name in Class.prototype), [])
    const socket = create()
    t.equal(socket.ping, undefined)
    await once(socket, 'open')
    socket.pause()
    t.equal(socket.isPaused, false)
    socket.resume()
    const heard = once(socket, 'message')
    t.notOk(await new Promise(resolve => { socket.send('x', resolve) }))
    t.same(await heard, [Buffer.from('x'), false])
    const ended = new Promise(resolve => { socket.on('close', resolve) })
    socket.terminate()
    // Below is only a close handshake, whose answer may be faster.
    t.ok([1005, 1006].includes(await ended as number))
  }
})
