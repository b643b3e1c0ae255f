import Fastify from 'fastify'
import t from 'tap'
import namedOrDefault, * as api from '../src/index.js'
import { parseIntrospectOptions } from '../src/options.js'

const { wsIntrospect } = api
const lookup = () => null
const rfc = { endpoint: 'https://id.example.com/introspect', clientId: 'me', clientSecret: 'my secret' }

t.test('the plugin is exported twice, the errors under their codes', async t => {
  t.equal(namedOrDefault, wsIntrospect)
  t.same(Object.keys(api).sort(), [
    'WSA_INTROSPECT_ERR_BUSY', 'WSA_INTROSPECT_ERR_CLIENT_LEFT', 'WSA_INTROSPECT_ERR_INVALID_TOKEN', 'WSA_INTROSPECT_ERR_MULTIPLE_TOKENS',
    'WSA_INTROSPECT_ERR_NOT_AUTHENTICATED', 'WSA_INTROSPECT_ERR_NO_TOKEN', 'WSA_INTROSPECT_ERR_OPTION', 'WSA_INTROSPECT_ERR_TARGET',
    'WSA_INTROSPECT_ERR_TOO_MANY_PENDING', 'WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS', 'WSA_INTROSPECT_ERR_UNAVAILABLE', 'default', 'wsIntrospect'
  ])
  for (const [name, statusCode] of [
    ['BUSY', 503], ['INVALID_TOKEN', 401], ['MULTIPLE_TOKENS', 400], ['NOT_AUTHENTICATED', 500], ['NO_TOKEN', 401],
    ['TOO_MANY_PENDING', 429], ['CLIENT_LEFT', 400]
  ] as const) {
    t.match(new api[`WSA_INTROSPECT_ERR_${name}`](), { code: `WSA_INTROSPECT_ERR_${name}`, statusCode })
  }
  t.match(new api.WSA_INTROSPECT_ERR_OPTION('x'), { code: 'WSA_INTROSPECT_ERR_OPTION', statusCode: 500 })
  t.match(new api.WSA_INTROSPECT_ERR_UNAVAILABLE({ cause: 7 }), { code: 'WSA_INTROSPECT_ERR_UNAVAILABLE', statusCode: 503, cause: 7 })
})

t.test('defaults are filled in', async t => {
  t.match(parseIntrospectOptions(rfc), {
    header: true,
    subprotocol: true,
    cookie: false,
    query: false,
    timeout: 1_000,
    maxPending: 1_024,
    pendingPerAddress: 256,
    refusalRate: { perSecond: 10, burst: 300 },
    rememberedTokens: 100_000,
    cacheTtl: 30_000,
    negativeCacheTtl: 5_000,
    cacheSize: 10_000,
    maxAuthBytes: 8_192,
    circuitBreaker: null,
    recheckInterval: 300_000,
    maxStale: 900_000,
    tokenTypeHint: 'access_token',
    subjectClaim: 'sub',
    clockTolerance: 5_000,
    concurrency: 16,
    maxAnswerBytes: 65_536,
    allowHttp: false
  })
  t.strictSame(parseIntrospectOptions({ lookup, circuitBreaker: true }).circuitBreaker, {
    errorThresholdPercentage: 50, volumeThreshold: 10, resetTimeout: 5_000
  })
  t.match(parseIntrospectOptions({ lookup, circuitBreaker: { resetTimeout: 1 } }).circuitBreaker, { volumeThreshold: 10, resetTimeout: 1 })
  t.equal(parseIntrospectOptions({ lookup, circuitBreaker: false }).circuitBreaker, null)
})

t.test('valid options are accepted', async t => {
  for (const options of [
    { ...rfc, endpoint: new URL(rfc.endpoint) },
    { ...rfc, endpoint: 'http://localhost:1/x' },
    { ...rfc, endpoint: 'http://127.8.9.1/x' },
    { ...rfc, endpoint: 'http://[::1]:1/x' },
    { ...rfc, endpoint: 'http://id.example.com/x', allowHttp: true },
    { endpoint: rfc.endpoint, bearerToken: 'ours' },
    { endpoint: rfc.endpoint, tls: { cert: 'c', key: Buffer.from('k') } },
    { ...rfc, tls: { ca: ['a', Buffer.from('b')], cert: 'c', key: 'k', servername: 'id' } },
    { ...rfc, audience: 'a', issuer: ['b', 'c'], cacheTtl: 0, negativeCacheTtl: 0, clockTolerance: 0 },
    { lookup, header: false, subprotocol: false, cookie: 'ext_token' },
    { lookup, header: false, subprotocol: false, query: 'token' },
    { lookup, refusalRate: false, pendingPerAddress: 1, rememberedTokens: 1 },
    { lookup, refusalRate: { perSecond: 0.1, burst: 1 } }
  ]) {
    t.doesNotThrow(() => parseIntrospectOptions(options))
  }
})

t.test('an error about options names the option and shows no secret', async t => {
  for (const [options, message] of [
    [{}, /^Invalid option: endpoint/],
    [{ lookup: 'x' }, /lookup: Expected a function/],
    [{ lookup, endpoint: rfc.endpoint }, /endpoint/],
    [{ ...rfc, timout: 1 }, /timout/],
    [{ ...rfc, timeout: 0 }, /timeout/],
    [{ ...rfc, cacheTtl: -1 }, /cacheTtl/],
    [{ ...rfc, cacheTtl: 1.5 }, /cacheTtl/],
    [{ ...rfc, negativeCacheTtl: Infinity }, /negativeCacheTtl/],
    [{ ...rfc, cacheSize: 0 }, /cacheSize/],
    [{ ...rfc, concurrency: 0 }, /concurrency/],
    [{ ...rfc, pendingPerAddress: 0 }, /pendingPerAddress/],
    [{ ...rfc, pendingPerAddress: Infinity }, /pendingPerAddress/],
    [{ ...rfc, rememberedTokens: 0 }, /rememberedTokens/],
    [{ ...rfc, refusalRate: true }, /refusalRate/],
    [{ ...rfc, refusalRate: {} }, /refusalRate/],
    [{ ...rfc, refusalRate: { perSecond: 0, burst: 1 } }, /refusalRate/],
    [{ ...rfc, refusalRate: { perSecond: 1, burst: 0 } }, /refusalRate/],
    [{ ...rfc, refusalRate: { perSecond: 1, burst: 1, per: 1 } }, /refusalRate/],
    [{ ...rfc, endpoint: 'id.example.com' }, /endpoint: Expected a URL/],
    [{ ...rfc, endpoint: 'ftp://id.example.com' }, /endpoint: Expected an https URL/],
    [{ ...rfc, endpoint: 'https://me:hidden@id.example.com/' }, /endpoint: Credentials belong/],
    [{ ...rfc, endpoint: 'http://id.example.com/x' }, /endpoint: Expected an https URL; with allowHttp/],
    [{ ...rfc, endpoint: 'http://localhost.example.com/x' }, /endpoint: Expected an https URL; with allowHttp/],
    [{ ...rfc, endpoint: 'http://127.0.0.1.example.com/x' }, /endpoint: Expected an https URL; with allowHttp/],
    [{ endpoint: rfc.endpoint }, /clientId: Expected clientId and clientSecret, bearerToken, or tls/],
    [{ endpoint: rfc.endpoint, clientId: 'me' }, /clientId: clientId and clientSecret go together/],
    [{ endpoint: rfc.endpoint, clientSecret: 'my secret' }, /clientId: clientId and clientSecret go together/],
    [{ ...rfc, bearerToken: 'ours' }, /bearerToken: Expected clientId and clientSecret, or bearerToken, but not both/],
    [{ endpoint: rfc.endpoint, bearerToken: 'hidden\r\nhost: x' }, /bearerToken: Expected printable characters/],
    [{ ...rfc, tls: { cert: 'hidden' } }, /tls: cert and key go together/],
    [{ ...rfc, tls: { rejectUnauthorized: false } }, /tls\.rejectUnauthorized/],
    [{ ...rfc, audience: [] }, /audience/],
    [{ lookup, circuitBreaker: { errorThresholdPercentage: 101 } }, /circuitBreaker/],
    [{ lookup, cookie: true }, /cookie/],
    [{ lookup, header: false, subprotocol: false }, /at least one has to be read/]
  ] as const) {
    const app = Fastify()
    t.teardown(() => app.close())
    const error = await app.register(wsIntrospect, options as never).then(() => null, error => error)
    t.match(error, { code: 'WSA_INTROSPECT_ERR_OPTION', message }, String(message))
    t.notMatch(error?.message, /hidden|my secret/)
  }
})
