import { AUTH_TIMEOUT_MS, EXPIRY_GRACE_MS, SUBPROTOCOL, TICKET_PARAMETER } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import { UsageError } from './errors.js'
import { isLoopback } from './host.js'
import { isRuleId, type RuleId } from './rules.js'

/** Where a credential travels on the upgrade; `none` where door two alone asks who the client is. */
export type CarrierName = 'subprotocol' | 'query' | 'cookie' | 'header' | 'none'

/** What the doctor examines, and how. Only `url` is required: what is missing is skipped, and the report says so. */
export interface DoctorOptions {
  /** The WebSocket, `wss://app.example.com/ws`. */
  url: string
  /**
   * Where a `POST` issues tickets, `https://app.example.com/ws/ticket`.
   * @default none: the JWT is the credential of the upgrade
   */
  ticketUrl?: string | undefined
  /**
   * A JWT of a user of the server, with at least five minutes to live. With a cookie for the ticket route in its place,
   * see `cookie`.
   * @default none
   */
  token?: string | undefined
  /**
   * A JWT of a second user, for the subject swap.
   * @default none
   */
  secondToken?: string | undefined
  /**
   * A JWT that the server has signed, and that has expired.
   * @default none
   */
  expiredToken?: string | undefined
  /**
   * A JWT of the first user that expires within a minute: the doctor waits for what happens then.
   * @default none
   */
  shortToken?: string | undefined
  /**
   * A JWT of the first user that allows more than `token`.
   * @default none
   */
  widerToken?: string | undefined
  /**
   * A `Cookie` header for the ticket route, which logs in with it in place of `token`.
   * @default none
   */
  cookie?: string | undefined
  /**
   * Where the credential travels on the upgrade.
   * @default 'subprotocol'
   */
  carrier?: CarrierName | undefined
  /**
   * Name of the query parameter or cookie, or the prefix of the subprotocol's value.
   * @default 'ticket'; in the subprotocol 'ticket.', or 'bearer.' for a JWT
   */
  carrierName?: string | undefined
  /**
   * The subprotocol to offer; `false` for none.
   * @default 'airlock.v1'
   */
  subprotocol?: string | false | undefined
  /**
   * Whether the server asks for a JWT in the first frame.
   * @default true
   */
  firstFrame?: boolean | undefined
  /**
   * The first frame, with `%TOKEN%` where the JWT belongs.
   * @default '{"type":"auth","token":"%TOKEN%"}'
   */
  authMessage?: string | undefined
  /**
   * Members that the answer to a good first frame has.
   * @default { type: 'auth_ok' }
   */
  authOk?: Record<string, unknown> | undefined
  /**
   * The message that refreshes a JWT, with `%TOKEN%`; `false` where there is none.
   * @default '{"type":"refresh","token":"%TOKEN%"}'
   */
  refreshMessage?: string | false | undefined
  /**
   * Members that the answer to a good refresh has.
   * @default { type: 'refresh_ok' }
   */
  refreshOk?: Record<string, unknown> | undefined
  /**
   * A message of the application whose answer contains `%NONCE%`.
   * @default '{"type":"echo","data":"%NONCE%"}'
   */
  echo?: string | undefined
  /**
   * Whether the server claims to speak Airlock: its statuses, close codes and messages are then examined as well. With
   * `'any'` it counts only whether the doors hold.
   * @default 'airlock'
   */
  dialect?: 'airlock' | 'any' | undefined
  /**
   * An origin that may connect.
   * @default that of `url`
   */
  origin?: string | undefined
  /**
   * A WebSocket that the user of `token` may not use.
   * @default none
   */
  forbiddenUrl?: string | undefined
  /**
   * A public key in PEM with which everybody can verify the server's JWTs.
   * @default none
   */
  publicKey?: string | undefined
  /**
   * `host:port` to connect to in place of what the URLs say, for one node behind a name.
   * @default what the URLs say
   */
  connectTo?: string | undefined
  /**
   * Certificates to trust, in PEM.
   * @default those of Node
   */
  ca?: string | undefined
  /**
   * Whether tokens are sent to a server whose certificate cannot be verified. The rule `tls-certificate` fails all the same.
   * @default false
   */
  insecure?: boolean | undefined
  /**
   * Connections a second at most.
   * @default 20
   */
  rate?: number | undefined
  /**
   * Whether 50 clients race for one ticket.
   * @default true for a server on this machine, false for any other
   */
  race?: boolean | undefined
  /**
   * Whether tickets are asked for, up to 70 at once, until the server says "too many".
   * @default false
   */
  exhaust?: boolean | undefined
  /**
   * How long to wait, in milliseconds, until you restart the server; 0 not to.
   * @default 0
   */
  drain?: number | undefined
  /**
   * How long to wait for what has to happen, in milliseconds, beyond the server's own times.
   * @default 10000
   */
  patience?: number | undefined
  /**
   * The server's time limit for the first frame, in milliseconds.
   * @default 5000
   */
  authTimeout?: number | undefined
  /**
   * The server's grace after the expiry of a JWT, in milliseconds.
   * @default 25000
   */
  grace?: number | undefined
  /**
   * Rules to look at.
   * @default all
   */
  only?: readonly RuleId[] | undefined
  /**
   * Rules to leave out.
   * @default []
   */
  skip?: readonly RuleId[] | undefined
}

const text = v.pipe(v.string(), v.nonEmpty('must not be empty'))
const milliseconds = v.pipe(v.number('must be a number'), v.integer('must be whole'), v.minValue(0, 'must not be negative'))
const url = (...protocols: string[]) => v.pipe(v.string('must be a URL'), v.rawTransform(({ dataset, addIssue, NEVER }) => {
  const parsed = URL.canParse(dataset.value) ? new URL(dataset.value) : null
  if (parsed !== null && protocols.includes(parsed.protocol) && parsed.username === '' && parsed.password === '') return parsed
  addIssue({ message: `must be a URL with ${protocols.map(protocol => `${protocol}//`).join(' or ')}, without a user or a password` })
  return NEVER
}))
const template = v.pipe(text, v.includes('%TOKEN%', 'must contain %TOKEN%'))
const members = v.record(v.string(), v.unknown())
const rules = v.array(v.custom<RuleId>(value => typeof value === 'string' && isRuleId(value), ({ input }) => `there is no rule ${String(input)}: see --list`))
const orFalse = (schema: typeof template | typeof text) => v.lazy(value => value === false ? v.literal(false) : schema)

const schema = v.strictObject({
  url: url('ws:', 'wss:'),
  ticketUrl: v.optional(url('http:', 'https:')),
  token: v.optional(text),
  secondToken: v.optional(text),
  expiredToken: v.optional(text),
  shortToken: v.optional(text),
  widerToken: v.optional(text),
  cookie: v.optional(text),
  carrier: v.optional(v.picklist(['subprotocol', 'query', 'cookie', 'header', 'none'], 'must be subprotocol, query, cookie, header or none'), 'subprotocol'),
  carrierName: v.optional(text),
  subprotocol: v.optional(orFalse(text), SUBPROTOCOL),
  firstFrame: v.optional(v.boolean(), true),
  authMessage: v.optional(template, '{"type":"auth","token":"%TOKEN%"}'),
  authOk: v.optional(members, { type: 'auth_ok' }),
  refreshMessage: v.optional(orFalse(template), '{"type":"refresh","token":"%TOKEN%"}'),
  refreshOk: v.optional(members, { type: 'refresh_ok' }),
  echo: v.optional(v.pipe(text, v.includes('%NONCE%', 'must contain %NONCE%')), '{"type":"echo","data":"%NONCE%"}'),
  dialect: v.optional(v.picklist(['airlock', 'any'], 'must be airlock or any'), 'airlock'),
  origin: v.optional(text),
  forbiddenUrl: v.optional(url('ws:', 'wss:')),
  publicKey: v.optional(text),
  connectTo: v.optional(v.pipe(text, v.regex(/^\S+:\d+$/, 'must be host:port'))),
  ca: v.optional(text),
  insecure: v.optional(v.boolean(), false),
  rate: v.optional(v.pipe(v.number('must be a number'), v.gtValue(0, 'must be above 0')), 20),
  race: v.optional(v.boolean()),
  exhaust: v.optional(v.boolean(), false),
  drain: v.optional(milliseconds, 0),
  patience: v.optional(milliseconds, 10_000),
  authTimeout: v.optional(milliseconds, AUTH_TIMEOUT_MS),
  grace: v.optional(milliseconds, EXPIRY_GRACE_MS),
  only: v.optional(rules),
  skip: v.optional(rules, [])
})

/** {@link DoctorOptions} with defaults filled in. */
export type DoctorSettings = Omit<v.InferOutput<typeof schema>, 'race' | 'origin' | 'carrierName'> & {
  race: boolean
  origin: string
  carrierName: string
}

/**
 * Checks the options.
 *
 * @throws {@link UsageError} when one is wrong; the message names every such option and shows no value of a secret
 */
export function parseOptions (options: DoctorOptions): DoctorSettings {
  // Those that are not given, as a command line leaves them.
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const { success, output, issues } = v.safeParse(schema, given)
  if (!success) throw new UsageError(issues.map(issue => `${String(v.getDotPath(issue))}: ${issue.message}`).join('; '))
  const { url, ticketUrl, carrier } = output
  const { race = isLoopback(url.hostname), origin = originOf(url), carrierName = nameOf(carrier, ticketUrl !== undefined) } = output
  return { ...output, race, origin, carrierName }
}

function originOf ({ protocol, host }: URL): string {
  return `${protocol === 'wss:' ? 'https' : 'http'}://${host}`
}

function nameOf (carrier: CarrierName, tickets: boolean): string {
  if (carrier !== 'subprotocol') return TICKET_PARAMETER
  return tickets ? 'ticket.' : 'bearer.'
}
