import envSchema from 'env-schema'
import { readFileSync } from 'node:fs'
import { isIP, isIPv4 } from 'node:net'
import { createSecureContext } from 'node:tls'
import { parseEnv } from 'node:util'
import { type BusRow, busOf } from './buses.js'
import { type Environment, environmentSchema } from './environment.js'
import { InvalidConfig } from './errors.js'
import { type ExternalConfig, readExternal } from './external-config.js'
import { type TicketStoreName, ticketStores } from './ticket-stores.js'

/** The demo's configuration, read and checked. */
export interface DemoConfig extends ExternalConfig {
  host: string
  port: number
  /** What people call this node. */
  nodeName?: string
  /** `undefined` if not set: the app then makes its own at each start, so a restart ends all sessions. */
  jwtSecret: string | undefined
  /** Lifetime of a session's JWT in milliseconds. */
  sessionTtl: number
  /** Where tickets are kept. */
  ticketStore: TicketStoreName
  /** The server of the ticket store; empty for a store without one. */
  ticketStoreUrl: string
  /** The bus that connects several nodes; `undefined` for a node that stands alone. */
  busUrl: string | undefined
  /** Origins that may open WebSockets and make changes; `undefined` allows the host that serves the page. */
  allowedOrigins: string[] | undefined
  /** Lifetime of a ticket in milliseconds. */
  ticketTtl: number
  /** Whether a ticket can be used more than once within its lifetime. */
  ticketReuse: boolean
  /** Tickets that one user may request per minute. */
  ticketRate: number
  /** Time that a client has for its first frame, in milliseconds. */
  authTimeout: number
  /** Maximum upgrades in progress, and maximum sockets without `auth_ok`, for one address. */
  maxPendingPerAddress: number
  /** Maximum upgrades in progress and sockets without `auth_ok`, of all addresses together. */
  maxPending: number
  /** Maximum TCP connections of one address. */
  maxConnectionsPerAddress: number
  /** Maximum authenticated sockets of this node. */
  maxConnections: number
  /** Upgrades per second that are let in; `false` for no limit. */
  connectRate: number | false
  /** Maximum sockets of one user on this node. */
  maxConnectionsPerUser: number
  /** Messages that one client may send per second on average, and ten times as many in a burst. */
  messageRate: number
  /** Whether `GET /metrics` answers. */
  metrics: boolean
  /** PEM certificate chain and private key. */
  tls: { cert: Buffer, key: Buffer } | undefined
  /** As Fastify's `trustProxy`. */
  trustProxy: boolean | string[]
  logLevel: string
}

/** Options of the demo's own plugins. */
export interface DemoOptions {
  config: DemoConfig
}

/**
 * Reads the configuration from environment variables. Missing ones get their default.
 *
 * @param environment usually `process.env`
 * @throws {@link InvalidConfig} when a variable cannot be used; the message names every such variable and shows no value
 */
export function loadConfig (environment: NodeJS.ProcessEnv): DemoConfig {
  const env = readEnvironment(environment)
  return {
    host: env.HOST,
    port: env.PORT,
    ...(env.NODE_NAME !== '' && { nodeName: env.NODE_NAME }),
    jwtSecret: env.JWT_SECRET || undefined,
    sessionTtl: env.SESSION_TTL_MS,
    ...readTicketStore(env),
    busUrl: readBusUrl(env),
    allowedOrigins: env.ALLOWED_ORIGINS === '' ? undefined : list(env.ALLOWED_ORIGINS),
    ticketTtl: env.TICKET_TTL_MS,
    ticketReuse: isTrue(env.TICKET_REUSE, false),
    ticketRate: env.TICKET_RATE,
    authTimeout: env.AUTH_TIMEOUT_MS,
    maxPendingPerAddress: env.MAX_PENDING_PER_ADDRESS,
    maxPending: env.MAX_PENDING,
    maxConnectionsPerAddress: env.MAX_CONNECTIONS_PER_ADDRESS,
    maxConnections: env.MAX_CONNECTIONS,
    connectRate: env.CONNECT_RATE || false,
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
 * Adds the variables of a file to the environment, which wins. A missing file adds nothing.
 *
 * @throws the error of `node:fs` when the file exists and cannot be read
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

function isTrue (text: string, whenEmpty: boolean): boolean {
  return text === '' ? whenEmpty : text === 'true' || text === '1'
}

function readTicketStore (env: Environment): Pick<DemoConfig, 'ticketStore' | 'ticketStoreUrl'> {
  // URLs of other stores are checked too, so that a mistake shows before somebody chooses that store.
  for (const { url } of Object.values(ticketStores)) {
    if (url !== undefined) checkUrl(url.variable, valueOf(env, url.variable), url)
  }
  const ticketStore = chooseTicketStore(env)
  const { url } = ticketStores[ticketStore]
  const ticketStoreUrl = url === undefined ? '' : valueOf(env, url.variable)
  if (url !== undefined && ticketStoreUrl === '') throw new InvalidConfig(`TICKET_STORE is ${ticketStore}, ${url.variable} is not set`)
  return { ticketStore, ticketStoreUrl }
}

function chooseTicketStore (env: Environment): TicketStoreName {
  if (env.TICKET_STORE !== '') return env.TICKET_STORE as TicketStoreName
  const chosen = Object.entries(ticketStores).find(([, { url }]) => url?.isEnough === true && valueOf(env, url.variable) !== '')
  return chosen?.[0] as TicketStoreName | undefined ?? 'memory'
}

function readBusUrl (env: Environment): string | undefined {
  const url = env.BUS_URL || valueOf(env, 'REDIS_URL')
  if (url === '') return undefined
  checkUrl('BUS_URL', url, busOf(url) as BusRow)
  return url
}

/** The value of a ticket store's variable; the schema's default is an empty text. */
function valueOf (env: Environment, variable: string): string {
  return (env as Record<string, unknown>)[variable] as string
}

function checkUrl (variable: string, url: string, { server, validate }: Pick<BusRow, 'server' | 'validate'>): void {
  if (url !== '' && !validate(url)) throw new InvalidConfig(`${variable} must be a connection string that the driver of ${server} understands`)
}

function readTls ({ TLS_CERT, TLS_KEY }: Environment): DemoConfig['tls'] {
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

function readTrustProxy (text: string): DemoConfig['trustProxy'] {
  if (text === '' || text === 'false') return false
  if (text === 'true') return true
  if (/^\d+$/.test(text)) throw new InvalidConfig('TRUST_PROXY is a number of hops, for which Fastify believes no proxy: name the addresses of the proxies')
  const proxies = list(text)
  if (!proxies.every(isNetwork)) throw new InvalidConfig('TRUST_PROXY must be true, false, or addresses and networks')
  return proxies
}

// Names of address ranges in proxy-addr, which Fastify uses.
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
