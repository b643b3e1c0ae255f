import t from 'tap'
import formbody from '@fastify/formbody'
import multipart from '@fastify/multipart'
import type { FastifyInstance } from 'fastify'
import net, { type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { build, logged, signedIn } from './helpers.js'

const TYPES = [
  undefined, 'application/json', 'application/x-www-form-urlencoded', 'application/octet-stream', 'text/plain;charset=UTF-8',
  'multipart/form-data; boundary=x', 'application/xml', 'nonsense'
]

const FRAMINGS = ['Content-Length: 0\r\n\r\n', '\r\n', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n']

/** Parsers of the application: before the plugin, and after it. */
const APPLICATIONS: Record<string, (app: FastifyInstance) => unknown> = {
  none: () => {},
  formbody: app => app.register(formbody),
  multipart: app => app.register(multipart),
  'multipart that attaches its fields': app => app.register(multipart, { attachFieldsToBody: true }),
  everything: app => { app.addContentTypeParser('*', (_request, _payload, done) => done(null, 'of the application')) },
  'no parser at all': app => { app.removeAllContentTypeParsers() }
}

for (const [name, prepare] of Object.entries(APPLICATIONS)) {
  t.test(`a ticket for an empty body of any type, beside parsers of the application: ${name}`, async t => {
    for (const early of [true, false]) {
      const app = await build(t, {}, {}, async app => { if (early) await prepare(app) })
      if (!early) await prepare(app)
      await app.listen({ host: '127.0.0.1', port: 0 })
      const { port } = app.server.address() as AddressInfo
      const { authorization } = signedIn(app)
      const ask = async (type: string | undefined, rest: string): Promise<string> => {
        const socket = net.connect(port, '127.0.0.1')
        socket.write(`POST /ws/ticket HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\n` +
          `${type === undefined ? '' : `Content-Type: ${type}\r\n`}${rest}`)
        return await text(socket)
      }
      for (const type of TYPES) {
        for (const framing of FRAMINGS) t.match(await ask(type, framing), /^HTTP\/1.1 201 /, `${type} | ${framing}`)
        const full = await ask(type, 'Content-Length: 2\r\n\r\n{}')
        t.match(full, type === 'application/json' ? /^HTTP\/1.1 201 / : /^HTTP\/1.1 415 [^]*"code":"WSA_CORE_ERR_MEDIA_TYPE"/, `not empty: ${type}`)
      }
    }
  })
}

/** What a client sends of its body, and how it leaves before the end. */
const CUT: Record<string, [head: string, leave: (socket: net.Socket) => void]> = {
  'counted, closed': ['Content-Length: 10\r\n\r\n{', socket => { socket.end() }],
  'counted, reset': ['Content-Length: 10\r\n\r\n{', socket => { socket.resetAndDestroy() }],
  'counted, nothing of it': ['Content-Length: 1\r\n\r\n', socket => { socket.end() }],
  'chunked, closed': ['Transfer-Encoding: chunked\r\n\r\n5\r\n{', socket => { socket.end() }],
  'chunked, broken': ['Transfer-Encoding: chunked\r\n\r\n5\r\n{', socket => { socket.write('"a":nonsense\r\n') }]
}

for (const [name, [head, leave]] of Object.entries(CUT)) {
  t.test(`a client that leaves in the middle of its body is no outage: ${name}`, async t => {
    const { lines, options } = logged()
    const app = await build(t, {}, options)
    const started = new Promise<void>(resolve => { app.addHook('preParsing', (_request, _reply, _payload, done) => { resolve(); done() }) })
    const failed = new Promise<Error>(resolve => { app.addHook('onError', async (_request, _reply, error) => { resolve(error) }) })
    await app.listen({ host: '127.0.0.1', port: 0 })
    const socket = net.connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {}).resume()
    socket.write(`POST /ws/ticket HTTP/1.1\r\nHost: x\r\nAuthorization: ${signedIn(app).authorization}\r\nContent-Type: application/json\r\n${head}`)
    await started
    leave(socket)
    t.match(await failed, { statusCode: 400 })
    // The error handlers run before the next turn of the event loop.
    await setImmediate()
    socket.destroy()
    t.strictSame(lines.filter(line => JSON.parse(line).level >= 50), [])
  })
}
