import mongodb from '@fastify/mongodb'
import { AUTH_TIMEOUT_MS } from '@fastify-airlock/protocol'
import envSchema from 'env-schema'
import { readFileSync } from 'node:fs'
import { isIP, isIPv4 } from 'node:net'
import { createSecureContext } from 'node:tls'
import { parseEnv } from 'node:util'
import { InvalidConfig } from './errors.js'
import { type ExternalConfig, type ExternalEnvironment, externalProperties, readExternal } from './external-config.js'

/** The demo's configuration, read and checked. */
export interface Config extends ExternalConfig {
  host: string
  port: number
  /** `undefined` where nobody gave one: the app then makes its own, which ends all sessions when it restarts. */
  jwtSecret: string | undefined
  /** Life of a session's JWT in milliseconds. */
  sessionTtl: number
  /** Where tickets are kept. */
  ticketStore: 'memory' | 'mongodb' | 'redis'
  /** Where the ticket store `mongodb` is. */
  mongodbUrl: string | undefined
  /** Where the ticket store `redis` is. */
  redisUrl: string | undefined
  /** What connects several nodes: Redis or MongoDB. `undefined` for a node that stands alone. */
  busUrl: string | undefined
  /** Origins that may open WebSockets and change anything; `undefined` allows the host that serves the page. */
  allowedOrigins: string[] | undefined
  /** Life of a ticket in milliseconds. */
  ticketTtl: number
  /** Whether a ticket may be used again within its life. */
  ticketReuse: boolean
  /** Tickets that one user may ask for in a minute. */
  ticketRate: number
  /** Time a client has for its first frame, in milliseconds. */
  authTimeout: number
  /** Sockets of one address that may be in or between the doors at once. */
  maxPendingPerAddress: number
  /** Sockets that one user may have on this node. */
  maxConnectionsPerUser: number
  /** Messages that one client may send in a second in the long run, and ten times as many at once. */
  messageRate: number
  /** Whether `GET /metrics` answers. */
  metrics: boolean
  /** PEM certificate chain and private key. */
  tls: { cert: Buffer, key: Buffer } | undefined
  /** As Fastify's `trustProxy`. */
  trustProxy: boolean | number | string[]
  logLevel: string
}

interface Environment extends ExternalEnvironment {
  HOST: string
  PORT: number
  JWT_SECRET: string
  SESSION_TTL_MS: number
  TICKET_STORE: '' | Config['ticketStore']
  MONGODB_URL: string
  REDIS_URL: string
  BUS_URL: string
  ALLOWED_ORIGINS: string
  TICKET_TTL_MS: number
  TICKET_REUSE: string
  TICKET_RATE: number
  AUTH_TIMEOUT_MS: number
  MAX_PENDING_PER_ADDRESS: number
  MAX_CONNECTIONS_PER_USER: number
  MESSAGE_RATE: number
  METRICS: string
  TLS_CERT: string
  TLS_KEY: string
  TRUST_PROXY: string
  LOG_LEVEL: string
}

const MONGODB = 'mongodb(\\+srv)?://.+'
const REDIS = 'rediss?://.+'
const BOOLEAN = ['', 'true', 'false', '1', '0']

// A list of origins: no path and no trailing slash, since a browser sends neither.
const ORIGIN = '[a-z][a-z0-9+.-]*://[^/,\\s]+|null'
const ORIGINS = `^(\\s*(${ORIGIN})\\s*(,|$))*$`

/** Every environment variable that the demo reads, as a JSON schema. */
export const environmentSchema = {
  type: 'object',
  properties: {
    HOST: { type: 'string', default: '127.0.0.1', description: 'Address to listen on' },
    PORT: { type: 'integer', minimum: 0, maximum: 65535, default: 3000, description: 'Port to listen on; 0 takes a free one, and the log tells which' },
    JWT_SECRET: { type: 'string', default: '', description: 'Key of the HS256 tokens, 32 characters or more; empty: a random one for each start' },
    SESSION_TTL_MS: { type: 'integer', minimum: 1_000, maximum: 86_400_000, default: 900_000, description: "Life of a session's JWT in milliseconds; it can be renewed for twelve hours" },
    TICKET_STORE: { type: 'string', enum: ['', 'memory', 'mongodb', 'redis'], default: '', description: 'Where tickets are kept; empty: in MongoDB where MONGODB_URL is set, else in memory' },
    MONGODB_URL: { type: 'string', default: '', pattern: `^(${MONGODB})?$`, description: 'Database of the ticket store mongodb' },
    REDIS_URL: { type: 'string', default: '', pattern: `^(${REDIS})?$`, description: 'Redis of the ticket store redis; also the bus between several nodes' },
    BUS_URL: { type: 'string', default: '', pattern: `^(${REDIS}|${MONGODB})?$`, description: 'Redis or MongoDB as the bus between several nodes; empty: REDIS_URL, else none' },
    ALLOWED_ORIGINS: { type: 'string', default: '', pattern: ORIGINS, description: 'Origins whose pages may open WebSockets and change anything, separated by commas; empty: the host that serves the page' },
    TICKET_TTL_MS: { type: 'integer', minimum: 1, maximum: 900_000, default: 30_000, description: 'Life of a ticket in milliseconds' },
    TICKET_REUSE: { type: 'string', enum: BOOLEAN, default: 'false', description: 'true: a ticket may be used again within its life' },
    TICKET_RATE: { type: 'integer', minimum: 1, default: 6_000, description: 'Tickets that one user may ask for in a minute' },
    AUTH_TIMEOUT_MS: { type: 'integer', minimum: 1, default: AUTH_TIMEOUT_MS, description: 'Time for the first frame in milliseconds' },
    MAX_PENDING_PER_ADDRESS: { type: 'integer', minimum: 1, default: 1_000, description: 'Sockets of one address that may be in or between the doors at once' },
    MAX_CONNECTIONS_PER_USER: { type: 'integer', minimum: 1, default: 1_000, description: 'Sockets that one user may have on this node' },
    MESSAGE_RATE: { type: 'integer', minimum: 1, default: 1_000, description: 'Messages that one client may send in a second in the long run; ten times as many at once' },
    METRICS: { type: 'string', enum: BOOLEAN, default: 'true', description: 'false: GET /metrics is not there' },
    ...externalProperties,
    TLS_CERT: { type: 'string', default: '', description: 'Path of a PEM certificate chain; together with TLS_KEY: https and wss' },
    TLS_KEY: { type: 'string', default: '', description: 'Path of the PEM private key of TLS_CERT' },
    TRUST_PROXY: { type: 'string', default: '', description: 'Proxies whose X-Forwarded headers count: true, false, a number of hops, or addresses and networks separated by commas' },
    LOG_LEVEL: { type: 'string', enum: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], default: 'info', description: 'Least severe level that is logged' }
  }
}

/**
 * Reads the configuration out of environment variables. Those that are not there get their default.
 *
 * @param environment usually `process.env`
 * @throws WSA_DEMO_ERR_CONFIG naming each variable that is wrong, and never showing a value
 */
export function loadConfig (environment: NodeJS.ProcessEnv): Config {
  const env = readEnvironment(environment)
  return {
    host: env.HOST,
    port: env.PORT,
    jwtSecret: env.JWT_SECRET || undefined,
    sessionTtl: env.SESSION_TTL_MS,
    ticketStore: chooseStore(env),
    mongodbUrl: readUrl('MONGODB_URL', env.MONGODB_URL),
    redisUrl: readUrl('REDIS_URL', env.REDIS_URL),
    busUrl: readUrl('BUS_URL', env.BUS_URL || env.REDIS_URL),
    allowedOrigins: env.ALLOWED_ORIGINS === '' ? undefined : list(env.ALLOWED_ORIGINS),
    ticketTtl: env.TICKET_TTL_MS,
    ticketReuse: isTrue(env.TICKET_REUSE, false),
    ticketRate: env.TICKET_RATE,
    authTimeout: env.AUTH_TIMEOUT_MS,
    maxPendingPerAddress: env.MAX_PENDING_PER_ADDRESS,
    maxConnectionsPerUser: env.MAX_CONNECTIONS_PER_USER,
    messageRate: env.MESSAGE_RATE,
    metrics: isTrue(env.METRICS, true),
    ...readExternal(env),
    tls: readTls(env),
    trustProxy: readTrustProxy(env.TRUST_PROXY),
    logLevel: env.LOG_LEVEL
  }
}

/**
 * Completes environment variables with those of a file, where there is one.
 *
 * @throws what reading the file throws, unless it is not there
 */
export function withEnvFile (environment: NodeJS.ProcessEnv, path: string): NodeJS.ProcessEnv {
  try {
    return { ...parseEnv(readFileSync(path, 'utf8')), ...environment }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return environment
  }
}

function readEnvironment (environment: NodeJS.ProcessEnv): Environment {
  try {
    return envSchema<Environment>({ schema: environmentSchema, data: environment, env: false })
  } catch (error) {
    const { errors } = error as { errors: Array<{ instancePath: string, message: string }> }
    throw new InvalidConfig(errors.map(({ instancePath, message }) => `${instancePath.slice(1)} ${message}`).join(', '))
  }
}

function isTrue (text: string, otherwise: boolean): boolean {
  return text === '' ? otherwise : text === 'true' || text === '1'
}

function chooseStore ({ TICKET_STORE, MONGODB_URL, REDIS_URL }: Environment): Config['ticketStore'] {
  if (TICKET_STORE === '') return MONGODB_URL === '' ? 'memory' : 'mongodb'
  if (TICKET_STORE === 'mongodb' && MONGODB_URL === '') throw new InvalidConfig('TICKET_STORE is mongodb, MONGODB_URL is not set')
  if (TICKET_STORE === 'redis' && REDIS_URL === '') throw new InvalidConfig('TICKET_STORE is redis, REDIS_URL is not set')
  return TICKET_STORE
}

function readUrl (variable: string, url: string): string | undefined {
  if (url === '') return undefined
  if (!url.startsWith('mongodb') || isMongodb(url)) return url
  throw new InvalidConfig(`${variable} must be a connection string that MongoDB's driver understands`)
}

function isMongodb (url: string): boolean {
  try {
    return new mongodb.mongodb.MongoClient(url) !== null
  } catch {
    return false
  }
}

function readTls ({ TLS_CERT, TLS_KEY }: Environment): Config['tls'] {
  if (TLS_CERT === '' && TLS_KEY === '') return undefined
  if (TLS_CERT === '') throw new InvalidConfig('TLS_KEY is set, TLS_CERT is not')
  if (TLS_KEY === '') throw new InvalidConfig('TLS_CERT is set, TLS_KEY is not')
  const tls = { cert: readPem('TLS_CERT', TLS_CERT), key: readPem('TLS_KEY', TLS_KEY) }
  try {
    createSecureContext(tls)
  } catch {
    throw new InvalidConfig('TLS_CERT and TLS_KEY must be a certificate and its key, in PEM')
  }
  return tls
}

function readPem (variable: string, path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new InvalidConfig(`${variable} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function readTrustProxy (text: string): Config['trustProxy'] {
  if (text === '' || text === 'false') return false
  if (text === 'true') return true
  if (/^\d+$/.test(text)) return Number(text)
  const proxies = list(text)
  if (!proxies.every(isNetwork)) throw new InvalidConfig('TRUST_PROXY must be true, false, a number of hops, or addresses and networks')
  return proxies
}

// The ranges that proxy-addr, which Fastify uses, has names for.
const NAMED_NETWORKS = ['loopback', 'linklocal', 'uniquelocal']

function isNetwork (text: string): boolean {
  if (NAMED_NETWORKS.includes(text)) return true
  const [address = '', prefix, ...rest] = text.split('/')
  if (isIP(address) === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIPv4(address) ? 32 : 128))
}

function list (text: string): string[] {
  return text.split(',').map(item => item.trim()).filter(item => item !== '')
}
