import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import t from 'tap'
import { clock } from './time.js'
import { type Ask, LIMIT, type Outcome, places } from './verifying-places.js'

/*
 * Every place where a credential is verified or looked up, and every way in which a key server or a database is away. Nobody
 * is told that a token is not valid: a client would send its user to sign in.
 */

const error = (members: object, message = 'away'): Error => Object.assign(new Error(message), members)

/** What drivers and clients throw. None has a status that would be an answer to our client. */
const outages: Record<string, unknown> = {
  'a refused connection': error({ code: 'ECONNREFUSED', syscall: 'connect' }),
  'a name that is not found': error({ code: 'ENOTFOUND' }),
  fetch: Object.assign(new TypeError('fetch failed'), { cause: error({ code: 'UND_ERR_CONNECT_TIMEOUT' }) }),
  'an AbortSignal': AbortSignal.abort().reason,
  'a time limit': new DOMException('The operation was aborted due to timeout', 'TimeoutError'),
  'all addresses': new AggregateError([error({ code: 'ECONNREFUSED' }), error({ code: 'EHOSTUNREACH' })]),
  MongoDB: error({ name: 'MongoServerSelectionError' }),
  PostgreSQL: error({ code: '57P01' }),
  'pg, a lost connection': new Error('Connection terminated unexpectedly'),
  ioredis: error({ name: 'MaxRetriesPerRequestError' }),
  'redis, closed': error({ name: 'ClientClosedError' }),
  Prisma: error({ name: 'PrismaClientInitializationError' }),
  'jose, JWKS': error({ code: 'ERR_JWKS_TIMEOUT' }),
  'jose, no JWKS': error({ code: 'ERR_JOSE_GENERIC', message: 'Expected 200 OK from the JSON Web Key Set HTTP response' }),
  'get-jwks': error({ code: 'JWKS_REQUEST_FAILED' }),
  gRPC: error({ code: 14, details: 'No connection established', metadata: {} }),
  'the AWS SDK': error({ name: 'ThrottlingException', $fault: 'client', $metadata: { httpStatusCode: 400 } }),
  Firebase: error({ code: 'app/network-error' }),
  Clerk: error({ reason: 'jwk-remote-failed-to-load' }),
  'node-redis, which names only the class': new (class ClientClosedError extends Error {})('The client is closed'),
  'a stream': error({ code: 'ERR_STREAM_PREMATURE_CLOSE' }),
  'a breaker': error({ code: 'EOPENBREAKER' }),
  axios: error({ name: 'AxiosError', code: 'ERR_BAD_RESPONSE', response: { status: 503 } }),
  'a certificate': error({ code: 'CERT_HAS_EXPIRED' }),
  wrapped: new Error('cannot look the key up', { cause: error({ name: 'MongoNetworkError' }) }),
  'wrapped into a refusal': error({ statusCode: 401, cause: error({ code: 'ECONNRESET' }) })
}

/** Errors with a status of their own: what the application's own decision leads to, and what a look-up does. */
const statuses: Array<[unknown, string, string]> = [
  [500, '500', '5xx'], [502, '502', '5xx'], [503, '503', '5xx'], [599, '599', '5xx'],
  [429, '429', '5xx'], [408, '408', '5xx']
]

const ways: Record<string, (thrown: unknown) => unknown> = {
  throws: thrown => { throw thrown },
  rejects: async thrown => { throw thrown }
}

for (const [title, { decides, start }] of Object.entries(places)) {
  t.test(title, async t => {
    const lines: Array<{ level: number, msg: string, err?: object, reason?: string }> = []
    const prepare = async (ask: () => unknown): Promise<Outcome> => {
      const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
      t.teardown(() => app.close())
      await app.register(websocket, websocketOptions())
      return await start(t, app, ask as Ask)
    }
    let answer: () => unknown = () => {}
    const outcome = await prepare(() => answer())
    const isDoorTwo = title.startsWith('handshake')
    for (const [way, fail] of Object.entries(ways)) {
      for (const [name, thrown] of Object.entries(outages)) {
        lines.length = 0
        answer = () => fail(thrown)
        t.equal(await outcome(), isDoorTwo ? '4500' : '503', `${name}, ${way}`)
        t.ok(lines.some(({ level }) => level >= 40), 'which is logged')
      }
      for (const statusCode of ['503', NaN, 0, 200, 302, 600, -1, null]) {
        answer = () => fail(error({ statusCode }))
        t.match(await outcome(), isDoorTwo ? '4500' : /^50[03]$/, `status ${String(statusCode)}, ${way}`)
      }
      for (const [statusCode, own, lookup] of statuses) {
        answer = () => fail(error({ statusCode }))
        const seen = await outcome()
        if (isDoorTwo) t.equal(seen, '4500', `status ${String(statusCode)}, ${way}`)
        else if (decides) t.equal(seen, own, `status ${String(statusCode)}, ${way}`)
        else t.match(seen, /^5/, `${lookup}: status ${String(statusCode)}, ${way}`)
      }
    }

    const set = clock(t)
    const never = await prepare(() => {
      // Its deadline begins when it has returned.
      setImmediate(() => { set.ahead += LIMIT })
      return new Promise(() => {})
    })
    t.equal(await never(), isDoorTwo ? '4408' : '503', 'no answer in time')
  })
}
