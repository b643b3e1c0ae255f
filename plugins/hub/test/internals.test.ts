// Runs alone: private parts are probed once in a process.
import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { usesPublicWay } from '@fastify-airlock/core'
import Fastify from 'fastify'
import t from 'tap'
import type { WebSocket } from 'ws'
import wsHub from '../src/index.js'
import { BusCalls } from '../src/bus-calls.js'
import { handleBusErrors } from '../src/internals.js'
import { connect, sharesFrames } from './helpers.js'

/** The class of a `ws` whose private parts are unknown. */
class UnknownWebSocket extends EventEmitter {
  readonly extensions = ''

  setSocket (): void {}
}

class ApplicationWebSocket extends UnknownWebSocket {
  constructor () {
    super()
    throw new Error('only the class of ws is probed')
  }
}

t.test('with an unknown ws, the hub logs one line and sends by the public way', async t => {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line).msg) } } } })
  t.teardown(() => app.close())
  await app.register(websocket)
  const { options } = app.websocketServer
  const { WebSocket: known } = options
  options.WebSocket = ApplicationWebSocket as unknown as typeof known
  await app.register(wsHub)
  // The sockets themselves are those of ws: only the probe sees the other class.
  options.WebSocket = known
  t.equal(lines.filter(line => line.startsWith('the sender of ws differs')).length, sharesFrames ? 1 : 0)

  const added = new Promise<WebSocket>(resolve => {
    app.get('/', { websocket: true }, socket => {
      app.wsHub.add(socket, { subject: 'alice' })
      resolve(socket)
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = connect(t, (app.server.address() as AddressInfo).port, '/')
  const socket = await added
  const sends = t.capture(socket, 'send', socket.send)
  const message = once(client, 'message')
  t.equal(app.wsHub.broadcast('hello'), 1)
  t.equal(sends().length, 1)
  t.equal(String((await message)[0]), 'hello')
})

t.test('errors of any bus are handled', async t => {
  const errors: unknown[] = []
  const onError = (error: unknown): void => { errors.push(error) }
  const methods = { on () {}, emit () {}, removeListener () {} }
  handleBusErrors(methods, onError)
  const [redis, mongodb] = [new EventEmitter(), new EventEmitter()]
  handleBusErrors({ ...methods, state: redis } as typeof methods, onError)
  handleBusErrors({ ...methods, status: mongodb } as typeof methods, onError)
  handleBusErrors({ ...methods, state: 'open', status: 'ready' } as typeof methods, onError)
  redis.emit('error', 'of redis')
  mongodb.emit('error', 'of mongodb')
  t.strictSame(errors, ['of redis', 'of mongodb'])
})

t.test('a farewell that fails is no unhandled rejection', async t => {
  const errors: unknown[] = []
  const methods = { on () {}, emit () {}, removeListener () {} }
  const connections = { subConn: { quit: async () => { throw new Error('gone') } }, pubConn: { quit: () => 'OK' } }
  handleBusErrors({ ...methods, ...connections, state: null, status: undefined } as unknown as typeof methods, error => { errors.push((error as Error).message) })
  await t.rejects(connections.subConn.quit(), { message: 'gone' }, 'who calls it hears of it as well')
  t.equal(connections.pubConn.quit(), 'OK')
  handleBusErrors({ ...methods, subConn: {}, pubConn: undefined } as unknown as typeof methods, () => {})
  t.strictSame(errors, ['gone'])
})

t.test('subscriptions wait while Redis is connecting', async t => {
  // A fake: a real connection is in this state for a moment that a test cannot choose.
  const connection = Object.assign(new EventEmitter(), { status: 'connecting' })
  const calls: string[] = []
  const bus = {
    on (topic: string, _listener: unknown, done?: () => void) { calls.push(`on ${topic}`); done?.() },
    emit () {},
    removeListener (topic: string) { calls.push(`off ${topic}`) },
    subConn: connection
  }
  const states: string[] = []
  const busCalls = new BusCalls({ bus, onError: error => t.fail('an error', { error }), onLost: () => states.push('lost'), onBack: () => states.push('back') })
  const listeners = [() => {}, () => {}] as const
  const confirmed: string[] = []
  busCalls.on('one', listeners[0], () => confirmed.push('one'))
  busCalls.on('two', listeners[1], () => confirmed.push('two'))
  if (usesPublicWay()) {
    t.strictSame(calls, ['on one', 'on two'])
    return
  }
  t.strictSame(calls, [])
  busCalls.removeListener('two', listeners[1])
  t.strictSame(calls, [], 'nothing to end')
  connection.status = 'ready'
  connection.emit('ready')
  connection.emit('close')
  t.strictSame([calls, confirmed, states], [['on one'], ['one'], ['back', 'lost']])
  busCalls.on('two', listeners[1], () => confirmed.push('two'))
  busCalls.removeListener('one', listeners[0])
  t.strictSame(calls, ['on one', 'on two', 'off one'])
})
