import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadConfig, withEnvFile } from '../src/config.js'

const cert = fileURLToPath(new URL('fixtures/cert.pem', import.meta.url))
const key = fileURLToPath(new URL('fixtures/key.pem', import.meta.url))

t.test('everything has a default', async t => {
  t.strictSame(loadConfig({}), {
    host: '127.0.0.1',
    port: 3000,
    jwtSecret: undefined,
    sessionTtl: 900_000,
    ticketStore: 'memory',
    ticketStoreUrl: '',
    busUrl: undefined,
    allowedOrigins: undefined,
    ticketTtl: 30_000,
    ticketReuse: false,
    ticketRate: 6_000,
    authTimeout: 5_000,
    maxPendingPerAddress: 1_000,
    maxPending: 10_000,
    maxConnectionsPerAddress: 1_000,
    maxConnections: 50_000,
    connectRate: false,
    maxConnectionsPerUser: 1_000,
    messageRate: 1_000,
    metrics: true,
    authority: undefined,
    authorityClient: { id: 'airlock-demo', secret: 'demo-only-secret' },
    upstream: undefined,
    upstreamToken: undefined,
    tls: undefined,
    trustProxy: false,
    logLevel: 'info'
  })
})

t.test('every variable is read', async t => {
  t.strictSame(loadConfig({
    HOST: '::1',
    PORT: '0',
    NODE_NAME: 'eu-1.a',
    JWT_SECRET: 'secret',
    SESSION_TTL_MS: '86400000',
    TICKET_STORE: 'redis',
    MONGODB_URL: 'mongodb://db/airlock',
    REDIS_URL: 'rediss://cache',
    BUS_URL: 'mongodb+srv://bus.example',
    ALLOWED_ORIGINS: 'https://a.example, https://*.b.example,http://localhost:5173',
    TICKET_TTL_MS: '900000',
    TICKET_REUSE: 'true',
    TICKET_RATE: '60',
    AUTH_TIMEOUT_MS: '100',
    MAX_PENDING_PER_ADDRESS: '5',
    MAX_PENDING: '8',
    MAX_CONNECTIONS_PER_ADDRESS: '9',
    MAX_CONNECTIONS: '10',
    CONNECT_RATE: '11',
    MAX_CONNECTIONS_PER_USER: '6',
    MESSAGE_RATE: '7',
    METRICS: 'false',
    INTROSPECTION_URL: 'https://id.example/oauth/introspect',
    INTROSPECTION_CLIENT_ID: 'demo',
    INTROSPECTION_CLIENT_SECRET: 'secret',
    EXTERNAL_TOKEN_URL: 'https://id.example/login',
    EXTERNAL_REVOCATION_URL: 'https://id.example/logout',
    UPSTREAM_URL: 'wss://up.example/feed',
    UPSTREAM_API_URL: 'https://up.example/v1',
    UPSTREAM_TOKEN: 'key',
    TLS_CERT: cert,
    TLS_KEY: key,
    TRUST_PROXY: 'true',
    LOG_LEVEL: 'trace',
    PATH: '/bin'
  }), {
    host: '::1',
    port: 0,
    nodeName: 'eu-1.a',
    jwtSecret: 'secret',
    sessionTtl: 86_400_000,
    ticketStore: 'redis',
    ticketStoreUrl: 'rediss://cache',
    busUrl: 'mongodb+srv://bus.example',
    allowedOrigins: ['https://a.example', 'https://*.b.example', 'http://localhost:5173'],
    ticketTtl: 900_000,
    ticketReuse: true,
    ticketRate: 60,
    authTimeout: 100,
    maxPendingPerAddress: 5,
    maxPending: 8,
    maxConnectionsPerAddress: 9,
    maxConnections: 10,
    connectRate: 11,
    maxConnectionsPerUser: 6,
    messageRate: 7,
    metrics: false,
    authority: { introspection: 'https://id.example/oauth/introspect', token: 'https://id.example/login', revocation: 'https://id.example/logout' },
    authorityClient: { id: 'demo', secret: 'secret' },
    upstream: { socket: 'wss://up.example/feed', api: 'https://up.example/v1' },
    upstreamToken: 'key',
    tls: { cert: readFileSync(cert), key: readFileSync(key) },
    trustProxy: true,
    logLevel: 'trace'
  })
})

t.test('an empty value means the default', async t => {
  const names = [
    'JWT_SECRET', 'TICKET_STORE', 'MONGODB_URL', 'POSTGRES_URL', 'REDIS_URL', 'BUS_URL', 'ALLOWED_ORIGINS', 'TICKET_REUSE', 'METRICS',
    'INTROSPECTION_URL', 'INTROSPECTION_CLIENT_ID', 'INTROSPECTION_CLIENT_SECRET', 'EXTERNAL_TOKEN_URL',
    'EXTERNAL_REVOCATION_URL', 'UPSTREAM_URL', 'UPSTREAM_API_URL', 'UPSTREAM_TOKEN', 'TLS_CERT', 'TLS_KEY', 'TRUST_PROXY'
  ]
  const empty = Object.fromEntries(names.map(name => [name, '']))
  t.strictSame(loadConfig(empty), loadConfig({}))
})

t.test('booleans are true, false, 1 and 0', async t => {
  for (const [text, value] of [['true', true], ['1', true], ['false', false], ['0', false]] as const) {
    t.equal(loadConfig({ TICKET_REUSE: text }).ticketReuse, value, text)
    t.equal(loadConfig({ METRICS: text }).metrics, value, text)
  }
})

t.test('the ticket store and the bus that the variables choose', async t => {
  const MONGODB_URL = 'mongodb://db'
  const REDIS_URL = 'redis://cache'
  const POSTGRES_URL = 'postgresql://db'
  const cases: Array<[NodeJS.ProcessEnv, ticketStore: string, ticketStoreUrl: string, busUrl: string | undefined]> = [
    [{}, 'memory', '', undefined],
    [{ MONGODB_URL }, 'mongodb', MONGODB_URL, undefined],
    [{ REDIS_URL }, 'memory', '', REDIS_URL],
    [{ MONGODB_URL, REDIS_URL }, 'mongodb', MONGODB_URL, REDIS_URL],
    [{ MONGODB_URL, REDIS_URL, TICKET_STORE: 'memory' }, 'memory', '', REDIS_URL],
    [{ MONGODB_URL, TICKET_STORE: 'mongodb', BUS_URL: 'mongodb://bus' }, 'mongodb', MONGODB_URL, 'mongodb://bus'],
    [{ REDIS_URL, TICKET_STORE: 'redis', BUS_URL: 'redis://bus' }, 'redis', REDIS_URL, 'redis://bus'],
    [{ POSTGRES_URL, MONGODB_URL, TICKET_STORE: 'postgres', BUS_URL: 'nats://bus' }, 'postgres', POSTGRES_URL, 'nats://bus'],
    [{ POSTGRES_URL }, 'memory', '', undefined]
  ]
  for (const [environment, ticketStore, ticketStoreUrl, busUrl] of cases) {
    t.match(loadConfig(environment), { ticketStore, ticketStoreUrl, busUrl }, JSON.stringify(environment))
  }
})

t.test('missing URLs of other systems follow from those that are set', async t => {
  const { authority, upstream } = loadConfig({
    INTROSPECTION_URL: 'http://127.0.0.1:3001/oauth/introspect',
    INTROSPECTION_CLIENT_ID: 'demo',
    INTROSPECTION_CLIENT_SECRET: 'secret',
    UPSTREAM_URL: 'ws://127.0.0.1:3002/ws?feed=1',
    UPSTREAM_TOKEN: 'key'
  })
  t.equal(authority?.token, 'http://127.0.0.1:3001/oauth/token')
  t.equal(authority?.revocation, 'http://127.0.0.1:3001/oauth/revoke')
  t.equal(upstream?.api, 'http://127.0.0.1:3002/')
  t.equal(loadConfig({ UPSTREAM_URL: 'wss://up.example/ws', UPSTREAM_TOKEN: 'key' }).upstream?.api, 'https://up.example/')
})

t.test('TRUST_PROXY accepts what Fastify believes', async t => {
  const cases: Array<[string, unknown]> = [
    ['false', false],
    ['10.0.0.1', ['10.0.0.1']],
    ['loopback, 10.0.0.0/8, fd00::/8', ['loopback', '10.0.0.0/8', 'fd00::/8']]
  ]
  for (const [text, value] of cases) t.strictSame(loadConfig({ TRUST_PROXY: text }).trustProxy, value, text)
})

t.test('an error names the variable, and never shows its value', async t => {
  const cases: Array<[NodeJS.ProcessEnv, RegExp]> = [
    [{ PORT: 'http' }, /PORT must be integer/],
    [{ PORT: '65536' }, /PORT must be <= 65535/],
    [{ SESSION_TTL_MS: '999' }, /SESSION_TTL_MS must be >= 1000/],
    [{ SESSION_TTL_MS: '86400001' }, /SESSION_TTL_MS must be <= 86400000/],
    [{ TICKET_TTL_MS: '900001' }, /TICKET_TTL_MS must be <= 900000/],
    [{ TICKET_TTL_MS: '0' }, /TICKET_TTL_MS must be >= 1/],
    [{ TICKET_REUSE: 'yes' }, /TICKET_REUSE must be equal to one of the allowed values/],
    [{ AUTH_TIMEOUT_MS: '1.5' }, /AUTH_TIMEOUT_MS must be integer/],
    [{ LOG_LEVEL: 'loud' }, /LOG_LEVEL must be/],
    [{ MONGODB_URL: 'secret@db' }, /MONGODB_URL must match pattern/],
    [{ MONGODB_URL: 'mongodb://user:secret/@db' }, /MONGODB_URL must be a connection string/],
    [{ REDIS_URL: 'http://secret' }, /REDIS_URL must match pattern/],
    [{ BUS_URL: 'amqp://secret' }, /BUS_URL must match pattern/],
    [{ BUS_URL: 'nats:///secret' }, /BUS_URL must be a connection string that the driver of NATS understands/],
    [{ BUS_URL: 'nats://secret@' }, /BUS_URL must be a connection string/],
    [{ POSTGRES_URL: 'mysql://secret' }, /POSTGRES_URL must match pattern/],
    [{ POSTGRES_URL: 'postgres://db/airlock?sslcert=/secret' }, /POSTGRES_URL must be a connection string/],
    [{ TICKET_STORE: 'postgres' }, /TICKET_STORE is postgres, POSTGRES_URL is not set/],
    [{ BUS_URL: 'mongodb://user:secret@' }, /BUS_URL must be a connection string/],
    [{ TICKET_STORE: 'secret' }, /TICKET_STORE must be equal to one of the allowed values/],
    [{ TICKET_STORE: 'mongodb', REDIS_URL: 'redis://secret' }, /TICKET_STORE is mongodb, MONGODB_URL is not set/],
    [{ TICKET_STORE: 'redis', MONGODB_URL: 'mongodb://secret' }, /TICKET_STORE is redis, REDIS_URL is not set/],
    [{ MAX_CONNECTIONS_PER_USER: '0' }, /MAX_CONNECTIONS_PER_USER must be >= 1/],
    [{ METRICS: 'maybe' }, /METRICS must be equal to one of the allowed values/],
    [{ ALLOWED_ORIGINS: 'https://a.example/' }, /ALLOWED_ORIGINS must match pattern/],
    [{ ALLOWED_ORIGINS: 'a.example' }, /ALLOWED_ORIGINS must match pattern/],
    [{ TLS_CERT: '/secret' }, /TLS_CERT is set, TLS_KEY is not/],
    [{ TLS_KEY: '/secret' }, /TLS_KEY is set, TLS_CERT is not/],
    [{ TLS_CERT: '/secret/cert', TLS_KEY: '/secret/key' }, /TLS_CERT cannot be read \(ENOENT\)/],
    [{ TLS_CERT: key, TLS_KEY: cert }, /TLS_CERT and TLS_KEY must be a certificate and its key/],
    [{ TRUST_PROXY: 'proxy.secret' }, /TRUST_PROXY must be/],
    [{ TRUST_PROXY: '1' }, /TRUST_PROXY is a number of hops/],
    [{ TRUST_PROXY: '10.0.0.0/33' }, /TRUST_PROXY must be/],
    [{ TRUST_PROXY: 'fd00::/129' }, /TRUST_PROXY must be/],
    [{ TRUST_PROXY: '10.0.0.0/8/8' }, /TRUST_PROXY must be/],
    [{ TRUST_PROXY: '10.0.0.0/' }, /TRUST_PROXY must be/],
    [{ INTROSPECTION_URL: 'http://secret.example/introspect' }, /INTROSPECTION_URL must match pattern/],
    [{ INTROSPECTION_URL: 'http://127.0.0.1:99999/secret' }, /INTROSPECTION_URL must be a URL/],
    [{ INTROSPECTION_URL: 'https://secret.example' }, /INTROSPECTION_URL is set, INTROSPECTION_CLIENT_ID is not/],
    [{ INTROSPECTION_CLIENT_ID: 'secret' }, /INTROSPECTION_CLIENT_ID is set, INTROSPECTION_CLIENT_SECRET is not/],
    [{ INTROSPECTION_CLIENT_SECRET: 'secret' }, /INTROSPECTION_CLIENT_SECRET is set, INTROSPECTION_CLIENT_ID is not/],
    [{ EXTERNAL_TOKEN_URL: 'https://secret.example' }, /EXTERNAL_TOKEN_URL is set, INTROSPECTION_URL is not/],
    [{ EXTERNAL_REVOCATION_URL: 'https://secret.example' }, /EXTERNAL_REVOCATION_URL is set, INTROSPECTION_URL is not/],
    [{ UPSTREAM_API_URL: 'https://secret.example' }, /UPSTREAM_API_URL is set, UPSTREAM_URL is not/],
    [{ UPSTREAM_URL: 'https://secret.example' }, /UPSTREAM_URL must match pattern/],
    [{ UPSTREAM_URL: 'wss://secret.example' }, /UPSTREAM_URL is set, UPSTREAM_TOKEN is not/],
    [{ UPSTREAM_TOKEN: 'a secret' }, /UPSTREAM_TOKEN must match pattern/],
    [{ PORT: '-1', LOG_LEVEL: '' }, /PORT must be >= 0, LOG_LEVEL must be/]
  ]
  for (const [environment, message] of cases) {
    t.throws(() => loadConfig(environment), { code: 'WSA_DEMO_ERR_CONFIG', message }, JSON.stringify(environment))
    t.throws(() => loadConfig(environment), { message: /^(?!.*secret)/ }, 'the value is not shown')
  }
})

t.test('a file adds variables to the environment, which wins', async t => {
  const folder = t.testdir({ '.env': 'TICKET_TTL_MS=60000\nLOG_LEVEL="silent" # no noise\n', folder: {} })
  t.strictSame(withEnvFile({ LOG_LEVEL: 'info', PORT: '0' }, `${folder}/.env`), {
    TICKET_TTL_MS: '60000', LOG_LEVEL: 'info', PORT: '0'
  })
  t.strictSame(withEnvFile({ PORT: '0' }, `${folder}/nothing`), { PORT: '0' })
  t.throws(() => withEnvFile({}, `${folder}/folder`), { code: 'EISDIR' }, 'a file that cannot be read is an error')
})
