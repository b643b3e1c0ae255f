import websocket from '@fastify/websocket'
import wsGuard from '@fastify-airlock/guard'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import wsIntrospect, { type WsIntrospectOptions } from '../src/index.js'
import { credentials, startAuthority } from './helpers.js'

async function build (t: Test, options: WsIntrospectOptions, server = {}) {
  const lines: Array<{ level: number, code: string, msg: string }> = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } }, ...server })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(wsIntrospect, options)
  return { app, lines }
}

const lookup = (): null => null

t.test('methods may be taken from the decorator, and protect a route', async t => {
  const { app, lines } = await build(t, { lookup })
  const { authenticate, authenticator, recheck, unwatch, watch } = app.wsIntrospect
  t.match(authenticator().carriers, { header: true })
  t.same(await recheck('alice'), { kept: 0, closed: 0, unknown: 0 })
  t.throws(() => watch({} as never, {} as never), { code: 'WSA_INTROSPECT_ERR_NOT_AUTHENTICATED' })
  t.notOk(unwatch({} as never))
  app.get('/me', { preHandler: authenticate }, async () => 'me')
  t.equal((await app.inject('/me')).statusCode, 401)
  t.same(lines, [])
})

t.test('an authenticator that was not called is no hook', async t => {
  const { app } = await build(t, { lookup })
  t.throws(() => app.get('/me', { preHandler: app.wsIntrospect.authenticator as never }, async () => 'me'), {
    code: 'WSA_INTROSPECT_ERR_OPTION', message: /give app\.wsIntrospect\.authenticate, .*the preHandler of GET \/me/
  })
  app.get('/ws', { websocket: true, preValidation: app.wsIntrospect.authenticate }, () => {})
  await app.ready()
})

t.test('an active token that is refused by the set-up is explained once', async t => {
  const authority = await startAuthority(t)
  for (const [options, message] of [
    [{ subjectClaim: 'uid' }, /no subject\. Name the member .* in subjectClaim/],
    [{ issuer: 'https://other.example' }, /wrong issuer\. Compare issuer/],
    [{ audience: 'other' }, /wrong audience\. Compare audience/]
  ] as const) {
    const { app, lines } = await build(t, { endpoint: authority.endpoint, ...credentials, ...options, timeout: 30_000 })
    app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async () => 'me')
    for (const token of ['unknown', authority.issue(), authority.issue()]) {
      t.equal((await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).statusCode, 401)
    }
    t.match(lines, [{ level: 40, code: 'WSA_INTROSPECT_WARN_REFUSED', msg: message }])
    t.equal(lines.length, 1)
  }
})

t.test('an unknown option is named with the nearest', async t => {
  for (const [options, message] of [
    [{ endpont: 'https://id.example' }, /unknown option `endpont`; did you mean `endpoint`\?/],
    [{}, /endpoint: it is missing\. Expected a URL; give lookup in its place/],
    [{ lookup, cacheTTL: 1 }, /unknown option `cacheTTL`; did you mean `cacheTtl`\?/],
    [{ lookup, circuitBreaker: { timeout: 1 } }, /circuitBreaker\.timeout: unknown option `timeout`; did you mean `resetTimeout`\?/],
    [{ lookup, circuitBreaker: 'yes' }, /circuitBreaker: Expected false, true or an object, not a string/]
  ] as const) {
    await t.rejects(build(t, options as never), { code: 'WSA_INTROSPECT_ERR_OPTION', message }, String(message))
  }
})

t.test('a limit for an address is explained once where a proxy may be in front that nobody trusts', async t => {
  const limited = { lookup, refusalRate: { perSecond: 0.001, burst: 1 } }
  const forwarded = { 'x-forwarded-for': '192.0.2.7' }
  for (const [server, headers, options, warned] of [
    [{}, forwarded, limited, true], [{}, {}, limited, false], [{ trustProxy: true }, forwarded, limited, false],
    [{}, forwarded, { lookup: () => { throw new Error('away') } }, false]
  ] as const) {
    const { app, lines } = await build(t, options, server)
    app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async () => 'me')
    for (let i = 0; i < 3; i++) await app.inject({ url: '/me', headers: { authorization: `Bearer ${i}`, ...headers } })
    const warnings = lines.filter(({ code }) => code === 'WSA_INTROSPECT_WARN_TRUST_PROXY')
    t.equal(warnings.length, warned ? 1 : 0)
    if (warned) t.match(warnings, [{ level: 40, msg: /so give Fastify trustProxy$/ }])
  }
})

t.test('so is a limit of what is pending', async t => {
  const { app, lines } = await build(t, { lookup: () => new Promise<null>(() => {}), timeout: 60_000, pendingPerAddress: 1 })
  app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async () => 'me')
  const [first, second] = ['a', 'b'].map(async token =>
    await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': '192.0.2.7' } }))
  t.match(await second, { statusCode: 429, headers: { 'retry-after': '1' } })
  t.match(lines, [{ code: 'WSA_INTROSPECT_WARN_TRUST_PROXY' }])
  await app.close()
  t.match(await first, { statusCode: 503 })
})
