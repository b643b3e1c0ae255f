import {
  type AllowedOrigin, callback, ignoreWarnings, MAX_SOCKET_BYTES, milliseconds, millisecondsOrOff, nonEmptyString, offOr, optionsObject,
  parseOptions, partOf, positiveInteger, type RoutePart, STALL_TIMEOUT_MS
} from '@fastify-airlock/core'
import { SUBPROTOCOL } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import type { Authenticator } from './authenticator.js'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import { isCarrierProtocol } from './protocols.js'
import { ticket } from './ticket-authenticator.js'

/** Options of one guard. */
export interface GuardOptions {
  /**
   * One authenticator, or several that are tried in order until one accepts. After an explicit bad credential, a cookie
   * that the browser sent along is not tried.
   * @default ticket()
   */
  authenticate?: Authenticator | Authenticator[]
  /**
   * Origins that may connect: `https://app.example.com`, `https://*.example.com`, or a function.
   * @default the host of the request
   */
  allowedOrigins?: AllowedOrigin | AllowedOrigin[]
  /**
   * What to do with an upgrade without an Origin header, which browsers always send: `'allow'`, `'deny'`, or `'auto'`,
   * which denies it if the credential is a cookie, or if it is a header or a function's and `Sec-Fetch-Site` shows a browser on
   * another page: a proxy may have signed its user in.
   * @default 'auto'
   */
  missingOrigin?: 'auto' | 'allow' | 'deny'
  /**
   * Subprotocols that the route speaks. The first one that the client offers is selected.
   * @default ['airlock.v1']
   */
  protocols?: string[]
  /**
   * Silence after which the server sends `{"type":"alive"}`, in milliseconds, from the 101 on: without it, a page cannot tell
   * a silent server from a dead link. Only for a route whose handler is yours alone, and whose clients know of it (the
   * option `alive` of ours, with the same number). With the handshake, clients ask for it by themselves.
   * @default false
   */
  alive?: number | false
  /**
   * Whether refusals run the route's `onSend` hooks. Otherwise they are sent as constant bytes, which takes the server
   * half the time. `onResponse` hooks and the log lines come in either case. If another hook has added a header to the
   * reply, the refusal goes through Fastify in either case.
   * @default false
   */
  refusalHooks?: boolean
  /**
   * Whether a WebSocket is closed with 4401 when the credential of its upgrade expires, as that of `jwt()` does. There is
   * no grace, and no `expiring` before: on a route that authenticates by the upgrade alone, a client cannot show a new
   * credential. With a handshake on the route, the token of the first frame decides instead; with
   * `fastify.wsIntrospect.watch`, the authority.
   * @default true
   */
  closeExpired?: boolean
  /**
   * Whether upgrades are refused with 503 while `fastify.wsHub` is full. `false` for a route whose connections are not added
   * to it. Where the route's handshake has `hub: false`, this is so by itself.
   * @default true
   */
  hub?: boolean
  /**
   * Whether a missing or bad credential is an error for the caller of the hook, in place of an answer, so that something
   * else may still admit the client: `fastify.auth([app.wsGuard({ refusalErrors: true }), other])`. All other refusals
   * stay final, such as those of a foreign Origin. What another check accepts may be a cookie, so an upgrade without an
   * Origin and with any cookie is refused unless `missingOrigin` is `'allow'`.
   * @default false
   */
  refusalErrors?: boolean
  /**
   * Says that you know what `allowedOrigins`, `missingOrigin` and a cookie carrier let through together: nothing is
   * thrown, and no warning is logged.
   * @default false
   */
  unsafe?: boolean
}

/** How many upgrades are let in. */
export interface ConnectRate {
  /** Upgrades a second in the long run. */
  perSecond: number
  /**
   * Upgrades at once.
   * @default those of a second
   */
  burst?: number
}

/** Options at registration: defaults for every guard, and what applies to the whole server. */
export interface GuardPluginOptions extends GuardOptions {
  /**
   * Time from the upgrade request to the 101, in milliseconds. After it the upgrade gets 503, and the socket is closed.
   * @default 10000
   */
  upgradeTimeout?: number
  /**
   * How many upgrades one client address (`request.ip`; IPv6 by /64) may have pending on guarded routes. One more gets
   * 429.
   * @default 256
   */
  pendingPerAddress?: number
  /**
   * How many upgrades on guarded routes and sockets without `auth_ok` the server may have pending, of all addresses
   * together. One more upgrade gets 503, and its ticket is not spent. The handshake has this option as well: the smaller
   * number counts.
   * @default 10000
   */
  pendingTotal?: number
  /**
   * How many TCP connections one client address (IPv6 by /64) may have, silent ones and WebSockets included. One more is
   * closed at once. `Infinity` for no limit. With Fastify's `trustProxy` nothing is counted: the connections are those of
   * the proxies.
   * @default 1000
   */
  connectionsPerAddress?: number
  /**
   * How many upgrades are let in: a number a second, or `{ perSecond, burst }`. Those that come faster wait in their order,
   * for up to 10 s; one whose turn would come later gets 503, and its ticket is not spent.
   * @default false
   */
  connectRate?: number | ConnectRate | false
  /**
   * Whether upgrades that are obviously wrong are refused before Fastify's router: a bad opening handshake, a foreign
   * Origin, no credential, several, or one that is certainly unknown. This halves the work of a refusal. In return, no
   * hook runs for it, including rate limits, and no "incoming request" line is logged. It applies to routes without
   * parameters and constraints whose first `preValidation` is the guard. It cannot be combined with `rewriteUrl`.
   * @default false
   */
  refuseBeforeRouting?: boolean
  /**
   * What may wait for one peer of any WebSocket of the server, in bytes: of what handlers send, and of everything else.
   * With more the socket is cut: without a close frame, which would not reach a peer that does not read. `Infinity` is no
   * limit. The hub has one of its own beside it, `maxBufferedBytes`.
   * @default 33554432 (32 MiB)
   */
  maxSocketBytes?: number
  /**
   * Time in which a peer has to take something of what waits for it, in milliseconds, once that has been more than 1 MiB.
   * Otherwise its socket is cut, whatever the peer sends meanwhile. `false` is no limit.
   *
   * The kernel takes more only when a third of its own buffer is free again. Linux lets that grow to 4 MiB for a peer that
   * has read fast, so one that reads on at less than 1.5 MB in this time, 25 kB/s by default, may count as one that takes
   * nothing. Raise it for such links.
   * @default 60000
   */
  stallTimeout?: number | false
  /**
   * The claim that names the session, of tickets, JWTs and identities, for all plugins on the server: one of them is told.
   * @default 'sid' (OpenID Connect)
   */
  sessionClaim?: string
  /**
   * Codes of start-up warnings that are not logged, such as `WSA_GUARD_WARN_CREDENTIAL_IN_LOG`.
   * @default []
   */
  ignoreWarnings?: string[]
}

const authenticator = v.pipe(
  v.custom<Authenticator>(
    value => typeof value === 'function' || (typeof value === 'object' && value !== null && ('prepare' in value || 'authenticate' in value)),
    'Expected ticket(), jwt(), an authenticator, a function, or a list of these'
  ),
  // Each would be taken for a function that authenticates, and refuse or fail at each upgrade.
  v.check(
    value => partOf(value) === undefined,
    ({ input }) => (partOf(input) as RoutePart).role === 'maker' ? `call it: ${(partOf(input) as RoutePart).name}()` : `${(partOf(input) as RoutePart).name} is for routes, and no authenticator`
  ),
  v.check(
    value => typeof value === 'function' || 'prepare' in value || (typeof value.carriers === 'object' && value.carriers !== null),
    'Expected an authenticator with carriers'
  )
)

const guardOptions = optionsObject({
  authenticate: v.optional(v.pipe(
    v.unknown(),
    v.transform(value => [value].flat()),
    v.array(authenticator),
    v.nonEmpty()
  ), () => ticket()),
  allowedOrigins: v.optional(v.pipe(
    v.unknown(),
    v.transform(value => [value].flat()),
    v.array(v.union([nonEmptyString, callback<(origin: string) => boolean | Promise<boolean>>()]))
  )),
  missingOrigin: v.optional(v.picklist(['auto', 'allow', 'deny']), 'auto'),
  protocols: v.optional(
    v.array(v.pipe(
      nonEmptyString,
      // RFC 6455, section 4.1: clients cannot offer anything else.
      v.regex(/^[!#$%&'*+.^`|~\w-]+$/, 'Expected a token, without spaces and commas'),
      v.check(protocol => !isCarrierProtocol(protocol), 'A carrier is never selected')
    )),
    () => [SUBPROTOCOL]
  ),
  alive: v.optional(millisecondsOrOff, false),
  refusalHooks: v.optional(v.boolean(), false),
  closeExpired: v.optional(v.boolean(), true),
  hub: v.optional(v.boolean(), true),
  refusalErrors: v.optional(v.boolean(), false),
  unsafe: v.optional(v.boolean(), false)
})

const perSecond = v.pipe(v.number(), v.finite(), v.gtValue(0))

/** A second's worth, and one where that is less. */
const burstOf = (rate: number): number => Math.max(1, Math.round(rate))

const connectRate = optionsObject({ perSecond, burst: v.optional(positiveInteger) })

const countOrInfinity = offOr(Infinity, positiveInteger, ['number'], 'a whole number above 0')

const serverOptions = optionsObject({
  upgradeTimeout: v.optional(milliseconds, 10_000),
  pendingPerAddress: v.optional(positiveInteger, 256),
  pendingTotal: v.optional(positiveInteger),
  connectionsPerAddress: v.optional(countOrInfinity, 1_000),
  connectRate: v.optional(v.pipe(
    offOr(false, v.lazy((value: unknown) => typeof value === 'number' ? perSecond : connectRate), ['number', 'object'], 'a number above 0, or { perSecond, burst }'),
    v.transform(value => {
      if (value === false) return null
      const { perSecond, burst = burstOf(perSecond) }: ConnectRate = typeof value === 'number' ? { perSecond: value } : value as ConnectRate
      return { perSecond, burst }
    })
  ), false),
  refuseBeforeRouting: v.optional(v.boolean(), false),
  maxSocketBytes: v.optional(countOrInfinity, MAX_SOCKET_BYTES),
  stallTimeout: v.optional(v.pipe(
    millisecondsOrOff,
    v.transform(value => value === false ? Infinity : value)
  ), STALL_TIMEOUT_MS),
  sessionClaim: v.optional(nonEmptyString),
  ignoreWarnings
})

const pluginOptions = optionsObject({ ...guardOptions.entries, ...serverOptions.entries })

/** {@link GuardOptions} with defaults filled in. */
export type GuardSettings = v.InferOutput<typeof guardOptions>

/** What applies to the whole server, with defaults filled in. */
export type GuardServerSettings = v.InferOutput<typeof serverOptions>

/**
 * Checks the options of one guard.
 *
 * @throws {@link WSA_GUARD_ERR_OPTION} when an option is wrong
 */
export function parseGuard (options: GuardOptions): GuardSettings {
  const name = Object.keys(options).find(name => name in serverOptions.entries)
  if (name !== undefined) throw new WSA_GUARD_ERR_OPTION(`${name}: give it where you register the plugin, since it is for the whole server`)
  return parseOptions(guardOptions, options, WSA_GUARD_ERR_OPTION)
}

/**
 * Checks the options at registration.
 *
 * @returns the defaults of each guard, as they were given, and what applies to the whole server
 * @throws {@link WSA_GUARD_ERR_OPTION} when an option is wrong
 */
export function parsePlugin (options: GuardPluginOptions): { defaults: GuardOptions, server: GuardServerSettings } {
  const settings = parseOptions(pluginOptions, options, WSA_GUARD_ERR_OPTION)
  const defaults = Object.fromEntries(Object.entries(options).filter(([name]) => name in guardOptions.entries))
  const server = Object.fromEntries(Object.entries(settings).filter(([name]) => name in serverOptions.entries)) as GuardServerSettings
  return { defaults, server }
}
