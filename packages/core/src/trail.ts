import { randomBytes } from 'node:crypto'
import { recordedAddress } from './address.js'
import { auditChannel, type AuditEvent, type AuditRecord } from './audit.js'
import { ofServer, serverOf } from './event-server.js'
import { peek } from './readable-error.js'
import { sessionOf } from './session.js'

/**
 * Member of a request or a socket that holds its trail, and of the context of a redemption that brings one: who brings a trail
 * reports the refusal. A registered symbol, since an application may hold several copies of this package.
 */
export const trailKey = Symbol.for('airlock.trail')

interface WithTrail {
  [trailKey]?: Trail | undefined
}

type WebSocketLike = WithTrail & { on (event: 'close', listener: (this: WebSocketLike, code: number) => void): unknown }

/** The part of Fastify's request that a trail is about. */
export interface TrailSource {
  readonly ip?: string | undefined
  readonly routeOptions?: { readonly url?: string | undefined } | undefined
  /** The Fastify instance. */
  readonly server?: { readonly server?: object | undefined } | undefined
}

/**
 * What the audit trail knows of a connection. The request of the upgrade holds it first, then the WebSocket. There is none
 * as long as nobody subscribes.
 */
export class Trail {
  id = newTrailId()
  /** The id that was given with the presented ticket. */
  ticket: string | null = null
  subject: string | null = null
  session: string | null = null
  address: string | null = null
  route: string | null = null
  /** Why a credential is not good enough, for the part that refuses it. */
  cause: string | null = null
  /** The code of an error that ends the upgrade. */
  errorCode: string | null = null
  /** Whether the upgrade has been decided on. */
  decided = false
  /** Why this side closes the connection, where the code that closes it does not say. */
  untold: string | null = null
  /** The HTTP server that it belongs to; `null` where that is not known. */
  server: object | null = null
  /** How this side has closed the connection. */
  ending: { code: number | null, reason: string | null } | null = null

  /** Notes where the client comes from and what it asks for. */
  from ({ ip, routeOptions, server }: TrailSource): this {
    this.server = server?.server ?? this.server
    this.address = recordedAddress(ip)
    this.route = routeOptions?.url ?? null
    return this
  }

  /**
   * Notes who the client is.
   *
   * @param sessionClaim the claim that names the session
   */
  of ({ subject, claims }: { subject: string, claims?: object | null | undefined }, sessionClaim?: string): this {
    this.subject = subject
    this.session = sessionOf(claims ?? undefined, sessionClaim) ?? null
    return this
  }
}

/** Makes an id that no ticket has. */
export function newTrailId (): string {
  return randomBytes(12).toString('base64url')
}

/** The trail of a request, of a socket or of the context of a redemption, if it has one. */
export function findTrail (of: object): Trail | undefined {
  return (of as WithTrail)[trailKey]
}

/**
 * The trail of the request of an upgrade, which is begun if there is none. Call it only where the channel has subscribers.
 *
 * @param source replaces what is known of where the client comes from
 */
export function trailOfRequest (request: object, source?: TrailSource): Trail {
  const trail = (request as WithTrail)[trailKey] ??= new Trail()
  trail.server ??= serverOf(request) ?? null
  return source === undefined ? trail : trail.from(source)
}

/** Has the WebSocket of an upgrade take over its trail, if there is one, and publish its close. */
export function handTrailOn (request: object, socket: object): void {
  const trail = findTrail(request)
  if (trail !== undefined) keepTrail(socket as WebSocketLike, trail)
}

/**
 * The trail of a WebSocket, which is begun if there is none: the upgrade came before the first subscriber. Call it only where
 * the channel has subscribers.
 *
 * @param source where the client comes from, if that is known
 */
export function trailOfSocket (socket: object, source?: TrailSource | null): Trail {
  const known = findTrail(socket)
  if (known !== undefined && (known.route !== null || source == null)) return known
  const trail = known ?? keepTrail(socket as WebSocketLike, new Trail())
  return source == null ? trail : trail.from(source)
}

function keepTrail (socket: WebSocketLike, trail: Trail): Trail {
  socket[trailKey] = trail
  socket.on('close', onClose)
  return trail
}

/** One function for all sockets. */
function onClose (this: WebSocketLike, code: number): void {
  if (!auditChannel.hasSubscribers) return
  const trail = this[trailKey] as Trail
  const { ending } = trail
  publishAudit(trail, {
    type: 'close',
    code: ending?.code ?? code,
    reason: ending?.reason ?? null,
    by: ending !== null ? 'server' : code === 1006 ? 'network' : 'client'
  })
}

/** What close codes mean with which `ws`, or an application, closes without a reason (RFC 6455, section 7.4.1). */
const MEANINGS: Readonly<Record<number, string>> = {
  1000: 'normal closure',
  1001: 'going away',
  1002: 'malformed frame',
  1003: 'unsupported data',
  1007: 'malformed text',
  1008: 'policy violation',
  1009: 'message too big',
  1011: 'internal error',
  1012: 'service restart',
  1013: 'try again later'
}

/**
 * Notes that this side ends a connection, before it does. The first call counts.
 *
 * @param code the close code; `null` if the connection is cut
 * @param reason nothing that a client has sent; without one, what the code means is the reason
 */
export function noteEnding (socket: object, code: number | null, reason: string | Buffer = ''): void {
  const trail = findTrail(socket)
  if (trail !== undefined) trail.ending ??= { code, reason: String(reason) || trail.untold || (MEANINGS[code ?? 0] ?? null) }
}

/**
 * Notes why the credential of an upgrade is not good enough.
 *
 * @param request that of the upgrade, as Node has it
 * @param cause nothing that a client has sent
 */
export function noteCause (request: object, cause: string): void {
  const trail = findTrail(request)
  if (trail !== undefined) trail.cause = cause
}

/** Notes the error that ends an upgrade. One without a code leaves that of an earlier one. */
export function noteError (request: object, error: unknown): void {
  const trail = findTrail(request)
  if (trail !== undefined) trail.errorCode = auditCode(error) ?? trail.errorCode
}

/** Names in capitals, as codes of errors are. An application may have put anything there. */
const CODE = /^[A-Z][A-Z\d_]{0,99}$/

/** The code of an error, if it has one that is fit for the trail. */
export function auditCode (error: unknown): string | null {
  const code = peek(error, 'code')
  return typeof code === 'string' && CODE.test(code) ? code : null
}

type Filled = 'time' | 'id' | 'subject' | 'session' | 'address' | 'route' | 'server'

/** What an event says besides what its trail knows. */
export type AuditDetails = AuditEvent extends infer Event ? Event extends AuditEvent ? Omit<Event, Filled> : never : never

/** Publishes an event about a connection. Call it only where the channel has subscribers. */
export function publishAudit ({ id, subject, session, address, route, server }: Pick<Trail, Exclude<Filled, 'time'>>, { type, ...details }: AuditDetails): void {
  const known: Omit<AuditRecord, 'code' | 'reason' | 'server'> = { time: Date.now(), id, subject, session, address, route }
  auditChannel.publish(ofServer({ type, ...known, ...details }, server) as AuditEvent)
}
