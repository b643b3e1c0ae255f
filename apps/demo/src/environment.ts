import { PENDING_TOTAL } from '@fastify-airlock/core'
import { AUTH_TIMEOUT_MS, TICKET_TTL_MS } from '@fastify-airlock/protocol'
import { buses } from './buses.js'
import { externalVariables } from './external-config.js'
import { ticketStores } from './ticket-stores.js'
import { BOOLEAN, joinWithOr, patternOf, type Variable } from './variable.js'

// A list of origins: no path and no trailing slash, since a browser sends neither.
const ORIGIN = '[a-z][a-z0-9+.-]*://[^/,\\s]+|null'
const ORIGINS = `^(\\s*(${ORIGIN})\\s*(,|$))*$`

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

const storeNames = Object.entries(ticketStores).map(([name, { url }]) =>
  url === undefined ? `\`${name}\`` : `\`${name}\` (needs \`${url.variable}\`)`)
const storeUrls = Object.values(ticketStores).flatMap(({ url }) => url ?? [])
const chosenByUrl = Object.entries(ticketStores).flatMap(([name, { url }]) =>
  url?.isEnough === true ? `\`${name}\` if \`${url.variable}\` is set` : [])

/**
 * Every environment variable that the demo reads, with its documentation. The table in the README and `.env.example`
 * are generated from it: `npm run docs -w apps/demo`.
 */
export const variables = {
  HOST: { type: 'string', default: '127.0.0.1', description: 'Address to listen on.' },
  PORT: { type: 'integer', minimum: 0, maximum: 65535, default: 3000, description: 'Port to listen on; `0` takes a free one, and the log says which.' },
  NODE_NAME: { type: 'string', default: '', fallback: 'the id that the hub gives it', pattern: '^[\\w.-]{0,32}$', description: 'What the page calls this node: up to 32 letters, digits, `_`, `-` and `.`.' },
  JWT_SECRET: {
    type: 'string',
    default: '',
    fallback: 'a random key at each start, so a restart ends all sessions',
    description: 'Key of the HS256 tokens, 32 characters or more: `openssl rand -base64 32`. Several nodes need the same key.'
  },
  SESSION_TTL_MS: { type: 'integer', minimum: 1_000, maximum: 86_400_000, default: 900_000, description: "Lifetime of a session's JWT in milliseconds; only whole seconds count. The session can be renewed for twelve hours after the login." },
  TICKET_STORE: {
    type: 'string',
    enum: ['', ...Object.keys(ticketStores)],
    default: '',
    fallback: [...chosenByUrl, 'else `memory`'].join(', '),
    description: `Where tickets are kept: ${joinWithOr(storeNames)}. Several nodes need a store other than \`memory\`.`
  },
  ...Object.fromEntries(storeUrls.map(({ variable, schemes, description, example }): [string, Variable] =>
    [variable, { type: 'string', default: '', fallback: 'none', example, pattern: patternOf(schemes), description }]
  )),
  BUS_URL: {
    type: 'string',
    default: '',
    fallback: '`REDIS_URL`, else none',
    pattern: patternOf(buses.flatMap(({ schemes }) => schemes)),
    description: `The bus that connects several nodes: ${joinWithOr(buses.map(({ server, schemes }) => `${server} (${joinWithOr(schemes.map(scheme => `\`${scheme}://\``))})`))}.`
  },
  ALLOWED_ORIGINS: {
    type: 'string',
    default: '',
    fallback: 'the host that serves the page',
    pattern: ORIGINS,
    description: 'Origins whose pages may open WebSockets and make changes, separated by commas: `https://app.example.com`, `https://*.example.com`. Pages of the same host may always make changes.'
  },
  TICKET_TTL_MS: { type: 'integer', minimum: 1, maximum: 900_000, default: TICKET_TTL_MS, description: 'Lifetime of a ticket in milliseconds.' },
  TICKET_REUSE: { type: 'string', enum: BOOLEAN, default: 'false', description: 'Whether a ticket can be used more than once within its lifetime:' },
  TICKET_RATE: { type: 'integer', minimum: 1, default: 6_000, description: 'Tickets that one user may request per minute.' },
  AUTH_TIMEOUT_MS: { type: 'integer', minimum: 1, default: AUTH_TIMEOUT_MS, description: 'Time that a client has for its first frame, in milliseconds.' },
  MAX_PENDING_PER_ADDRESS: { type: 'integer', minimum: 1, default: 1_000, description: 'Maximum upgrades in progress, and maximum open sockets without `auth_ok`, for one address.' },
  MAX_PENDING: { type: 'integer', minimum: 1, default: PENDING_TOTAL, description: 'Maximum upgrades in progress and open sockets without `auth_ok` on a node, of all addresses together; one more upgrade gets 503, and its ticket is not spent.' },
  MAX_CONNECTIONS_PER_ADDRESS: { type: 'integer', minimum: 1, default: 1_000, description: 'Maximum TCP connections of one address, silent ones and WebSockets included; one more is closed at once. Not with `TRUST_PROXY`.' },
  MAX_CONNECTIONS: { type: 'integer', minimum: 1, default: 50_000, description: 'Maximum authenticated sockets of a node; one more upgrade gets 503, and its ticket is not spent.' },
  CONNECT_RATE: { type: 'integer', minimum: 0, default: 0, description: 'Upgrades per second that are let in; others wait in their order, for up to ten seconds, or get 503. `0` for no limit.' },
  MAX_CONNECTIONS_PER_USER: { type: 'integer', minimum: 1, default: 1_000, description: 'Maximum sockets of one user on a node; one more is closed with 4429.' },
  MESSAGE_RATE: { type: 'integer', minimum: 1, default: 1_000, description: 'Messages that one client may send per second on average, and ten times as many in a burst; a client that sends more is closed with 4429.' },
  METRICS: { type: 'string', enum: BOOLEAN, default: 'true', description: 'Whether `GET /metrics` answers (to everyone who can reach it):' },
  ...externalVariables,
  TLS_CERT: { type: 'string', default: '', fallback: 'no TLS (http and ws)', description: 'Path of a PEM certificate chain; with `TLS_KEY`, the demo serves https and wss.' },
  TLS_KEY: { type: 'string', default: '', fallback: 'no TLS (http and ws)', description: 'Path of the PEM private key of `TLS_CERT`.' },
  TRUST_PROXY: { type: 'string', default: 'false', description: 'Proxies whose `X-Forwarded-*` headers count: `true`, `false`, or addresses and networks separated by commas. Never `true` if clients can reach the server without the proxy.' },
  LOG_LEVEL: { type: 'string', enum: LOG_LEVELS, default: 'info', description: `Least severe level that is logged: ${joinWithOr(LOG_LEVELS.map(level => `\`${level}\``))}.` }
} satisfies Record<string, Variable>

/** The environment, once the schema has checked it. The variables of ticket stores are in it under their names. */
export type Environment = {
  [Name in keyof typeof variables]: (typeof variables)[Name]['type'] extends 'integer' ? number : string
}

/** {@link variables} as a JSON schema, without the parts that are only for the documentation. */
export const environmentSchema = {
  type: 'object',
  properties: Object.fromEntries(Object.entries<Variable>(variables).map(
    ([name, { fallback, example, ...property }]) => [name, property]
  ))
}
