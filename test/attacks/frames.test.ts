import { once } from 'node:events'
import websocket from '@fastify/websocket'
import { usesPublicWay, websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { until } from '../time.js'
import { inTurns, start } from './wire.js'

interface Frame { first: number, payload?: Buffer, masked?: boolean, length?: Buffer }

/** A frame as a client sends it (RFC 6455, section 5.2). */
function frame ({ first, payload = Buffer.alloc(0), masked = true, length }: Frame): Buffer {
  const mask = masked ? 0x80 : 0
  const size = length ?? (payload.length < 126 ? Buffer.from([payload.length]) : Buffer.from([126, payload.length >> 8, payload.length & 0xff]))
  const head = Buffer.from(size)
  head[0] = (head[0] as number) | mask
  // The key is zero: what is masked with it is the same.
  return Buffer.concat([Buffer.from([first]), head, Buffer.alloc(masked ? 4 : 0), payload])
}

const close = (code: number, reason = Buffer.alloc(0)): Buffer => Buffer.concat([Buffer.from([code >> 8, code & 0xff]), reason])
const INVALID_UTF8 = ['ff', 'c0af', 'eda080', 'f4908080', 'e282', '80', 'f8888080', 'fe', 'c1bf', '6162ff'].map(hex => Buffer.from(hex, 'hex'))

/** Bytes that no client may send, by kind. */
const MALFORMED: Record<string, Buffer[]> = {
  'reserved opcodes': [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap(opcode => [frame({ first: 0x80 | opcode }), frame({ first: opcode }), frame({ first: 0x80 | opcode, payload: Buffer.from('{}') })]),
  'reserved bits': [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70].flatMap(bits => [0x1, 0x2, 0x8, 0x9, 0xa, 0x0].map(opcode => frame({ first: 0x80 | bits | opcode, payload: Buffer.from('{}') }))),
  unmasked: [0x81, 0x82, 0x88, 0x89, 0x8a, 0x01].flatMap(first => [frame({ first, masked: false, payload: Buffer.from('{}') }), frame({ first, masked: false, payload: Buffer.alloc(125) })]),
  'control frames in parts': [0x08, 0x09, 0x0a].flatMap(first => [frame({ first }), frame({ first, payload: Buffer.from('x') })]),
  'control frames that are too long': [0x88, 0x89, 0x8a].flatMap(first => [126, 200, 60_000].map(size => frame({ first, payload: Buffer.alloc(size) }))),
  'a continuation of nothing': [0x80, 0x00].flatMap(first => [frame({ first }), frame({ first, payload: Buffer.from('x') })]),
  'a message in a message': [0x81, 0x82, 0x01, 0x02].map(first => Buffer.concat([frame({ first: 0x01, payload: Buffer.from('{') }), frame({ first, payload: Buffer.from('}') })])),
  'no UTF-8': INVALID_UTF8.flatMap(payload => [frame({ first: 0x81, payload }), Buffer.concat([frame({ first: 0x01, payload }), frame({ first: 0x80 })])]),
  'close codes': [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].map(code => frame({ first: 0x88, payload: close(code) })),
  'close frames of one byte': [0, 3, 255].map(byte => frame({ first: 0x88, payload: Buffer.from([byte]) })),
  'close reasons that are no UTF-8': INVALID_UTF8.map(reason => frame({ first: 0x88, payload: close(1000, reason) })),
  'messages that are too long': [
    frame({ first: 0x81, length: Buffer.from([127, 0, 0, 0, 0, 0, 1, 0, 1]) }), frame({ first: 0x82, length: Buffer.from([127, 0, 0, 0, 1, 0, 0, 0, 0]) }),
    frame({ first: 0x82, length: Buffer.from([127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) }), frame({ first: 0x01, length: Buffer.from([127, 0, 0x20, 0, 0, 0, 0, 0, 0]) })
  ]
}

const MEMBERS = Object.entries(MALFORMED).flatMap(([kind, list]) => list.map(bytes => ({ kind, bytes })))

for (const [stage, path] of [['before auth', '/two-doors'], ['after auth', '/two-doors'], ['on a route with one door', '/ws'], ['on a route of the application alone', '/open']] as const) {
  t.test(`a malformed frame is one line of level info with a code and no stack, ${stage}`, async t => {
    const { app, port, ticket, jwt, log } = await start(t, {
      routes: app => {
        app.get('/two-doors', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => {}))
        app.get('/open', { websocket: true, config: { wsPublic: true } }, () => {})
      }
    })
    t.ok(MEMBERS.length > 120, `${MEMBERS.length} members`)
    await inTurns(MEMBERS, async ({ kind, bytes }) => {
      const name = `${kind} ${bytes.subarray(0, 12).toString('hex')}`
      const client = new WebSocket(`ws://127.0.0.1:${port}${path}?ticket=${await ticket()}`)
      t.teardown(() => client.terminate())
      client.on('error', () => {})
      const closed = once(client, 'close')
      await once(client, 'open')
      if (stage === 'after auth') {
        client.send(JSON.stringify({ type: 'auth', token: jwt() }))
        await once(client, 'message')
      }
      ;(client as unknown as { _socket: { write (bytes: Buffer): void } })._socket.write(bytes)
      await closed
      t.pass(name)
    })
    const lines = log.map(line => JSON.parse(line))
    const told = lines.filter(({ code }) => typeof code === 'string' && code.startsWith('WS_ERR_'))
    // A first message that is too long is refused before it is malformed.
    const refused = lines.filter(({ msg, code }) => msg === 'websocket refused' && code === 4400)
    const refusable = stage === 'before auth' ? MEMBERS.filter(({ kind }) => kind === 'messages that are too long') : []
    t.equal(refused.length, usesPublicWay() ? 0 : refusable.length, 'one line each')
    t.equal(told.length + refused.length, MEMBERS.length, 'one line each')
    for (const line of told) t.match(line, { level: 30, reqId: String, msg: 'malformed WebSocket frame', err: undefined })
    t.same(lines.filter(({ level }) => level >= 40).map(({ msg }) => msg), [])
    t.notMatch(log.join(''), /"stack"|node_modules/)
    // A client sees its end before the server does.
    await until(() => app.websocketServer.clients.size === 0)
  })
}

t.test('compressed frames that are no deflate are malformed too, and what a handler throws is not', async t => {
  const log: string[] = []
  const app = Fastify({ logger: { stream: { write: (line: string) => { log.push(line) } } } })
  t.teardown(() => app.close())
  const options = websocketOptions()
  await app.register(websocket, Object.defineProperties(options, { options: { value: { ...options.options, perMessageDeflate: true }, enumerable: true } }))
  app.get('/open', { websocket: true }, () => {})
  app.get('/throws', { websocket: true }, () => { throw Object.assign(new Error('the handler'), { code: 'Z_DATA_ERROR' }) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const visit = async (path: string, bytes: Buffer): Promise<Array<Record<string, unknown>>> => {
    log.length = 0
    const client = new WebSocket(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}${path}`)
    t.teardown(() => client.terminate())
    client.on('error', () => {})
    const closed = once(client, 'close')
    await once(client, 'open')
    ;(client as unknown as { _socket: { write (bytes: Buffer): void } | null })._socket?.write(bytes)
    await closed
    return log.map(line => JSON.parse(line)).filter(({ msg }) => msg !== 'incoming request')
  }
  for (const payload of ['ffffffff', '06ff', 'deadbeefdeadbeef', '07']) {
    t.match(await visit('/open', frame({ first: 0xc1, payload: Buffer.from(payload, 'hex') })), [{ level: 30, code: /^(?:Z_|WS_ERR_)/, err: undefined }], payload)
  }
  t.match(await visit('/throws', Buffer.alloc(0)), [{ level: 50, err: { stack: /the handler/ } }])
})
