import t from 'tap'
import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { acceptEmptyBody } from '../src/index.js'

/** What HTTP clients name as the type of nothing, and what only a broken one names. */
const TYPES = [
  undefined, 'application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON;charset=UTF-8', 'application/x-www-form-urlencoded',
  'application/octet-stream', 'text/plain', 'text/plain; charset=utf-8', 'multipart/form-data', 'multipart/form-data; boundary=x',
  'application/xml', 'text/xml', 'application/vnd.api+json', 'application/grpc', 'image/png', 'x/unknown', 'nonsense', 'nonsense; charset=x', '/', 'a/', 'a/b/c', '*/*', ''
]

/** How an empty body travels. */
const FRAMINGS: Array<[head: string, body: string]> = [
  ['Content-Length: 0\r\n', ''],
  ['Content-Length: 00\r\n', ''],
  ['', ''],
  ['Transfer-Encoding: chunked\r\n', '0\r\n\r\n']
]

/** What an application may have done to its root. */
const ROOTS: Record<string, (app: FastifyInstance) => void> = {
  'as it is': () => {},
  'a parser of everything': app => app.addContentTypeParser('*', (_request, _payload, done) => done(null, 'of the application')),
  'a parser of a pattern': app => app.addContentTypeParser(/^.*$/, { parseAs: 'string' }, (_request, _body, done) => done(null, 'of the application')),
  'a parser of JSON': app => app.addContentTypeParser('application/json', (_request, _payload, done) => done(null, 'of the application')),
  'no parsers': app => { app.removeAllContentTypeParsers() },
  'a hook that looks at the type': app => { app.addHook('onRequest', async request => { request.mediaType satisfies string | undefined }) }
}

for (const [name, prepare] of Object.entries(ROOTS)) {
  t.test(`an empty body is none, of any type and in any framing: ${name}`, async t => {
    const app = await build(prepare)
    t.teardown(() => app.close())
    const ask = connection(await listen(app))
    for (const type of TYPES) {
      for (const [head, body] of FRAMINGS) {
        const answer = await ask(`${type === undefined ? '' : `Content-Type: ${type}\r\n`}${head}`, body)
        t.match(answer, /^HTTP\/1.1 200 [^]*\r\n\r\n\{"body":"none"\}$/, `${type} | ${head}`)
      }
    }
    for (const type of TYPES) {
      const answer = await ask(`${type === undefined ? '' : `Content-Type: ${type}\r\n`}Content-Length: 2\r\n`, '{}')
      const json = type !== undefined && /^application\/json/i.test(type)
      t.match(answer, json ? /^HTTP\/1.1 200 / : /^HTTP\/1.1 415 [^]*"code":"WSA_CORE_ERR_MEDIA_TYPE"/, `not empty: ${type}`)
    }
  })
}

t.test('over HTTP/2, where the length of a body is not named', async t => {
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  addRoute(app as unknown as FastifyInstance)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const session = http2.connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  t.teardown(() => { session.destroy() })
  for (const type of TYPES.filter(type => type !== '')) {
    for (const body of ['', '{}']) {
      const stream = session.request({ ':method': 'POST', ':path': '/', ...(type !== undefined && { 'content-type': type }) })
      stream.end(body)
      const [{ ':status': status }] = await once(stream, 'response') as [Record<string, number>]
      await text(stream)
      t.equal(status, body === '' || /^application\/json/i.test(type ?? '') ? 200 : 415, `${type} | ${body}`)
    }
  }
})

t.test('scopes beside it and parsers below it stay as they are', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.post('/outside', async () => 'ok')
  app.register(async scope => {
    acceptEmptyBody(scope)
    scope.register(async below => {
      below.addContentTypeParser('text/csv', { parseAs: 'string' }, (_request, body, done) => done(null, body))
      below.post('/below', async request => request.body)
    })
  })
  const post = async (url: string, type: string, payload: string) => await app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } })
  t.equal((await post('/outside', 'application/json', '')).statusCode, 400)
  t.equal((await post('/outside', 'text/plain', 'a')).statusCode, 200)
  t.equal((await post('/below', 'text/csv', 'a,b')).body, 'a,b')
})

async function build (prepare: (app: FastifyInstance) => void): Promise<FastifyInstance> {
  const app = Fastify()
  prepare(app)
  addRoute(app)
  return app
}

function addRoute (app: FastifyInstance): void {
  app.register(async scope => {
    acceptEmptyBody(scope)
    scope.post('/', async request => ({ body: request.body === undefined ? 'none' : request.body }))
  })
}

async function listen (app: FastifyInstance): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

/** Sends a request, byte for byte, and reads the whole answer. */
function connection (port: number): (head: string, body: string) => Promise<string> {
  return async (head, body) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${head}\r\n${body}`)
    return await text(socket)
  }
}
