import type { FastifyInstance, FastifyRequest } from 'fastify'

/**
 * Merge your own types into this interface to type `request.wsIdentity.claims`. Name the package that you have
 * installed: core, guard, introspect, proxy and `fastify-airlock` all have this one interface. Merge into one of them, in one place.
 *
 * @example
 * declare module '@fastify-airlock/guard' {
 *   interface WsIdentityTypes { claims: { role: 'admin' | 'user' } }
 * }
 */
export interface WsIdentityTypes {}

/** What is known of a client besides its subject; `Record<string, unknown>` unless {@link WsIdentityTypes} says more. */
export type WsClaims = WsIdentityTypes extends { claims: infer Claims } ? Claims : Record<string, unknown>

/**
 * The user behind a WebSocket. There is one object per connection: the guard creates it, the handshake completes it in
 * place and a refresh updates it in place, so every holder sees the current state.
 */
export interface WsIdentity {
  /** The user's id: the ticket's subject, the `sub` claim of a JWT. */
  subject: string
  /** The claims of the ticket, then those of the JWT. */
  claims: WsClaims
  /** Expiry in milliseconds since the epoch; `null` while the client has shown nothing that expires. */
  expiresAt: number | null
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated user; `null` before the guard or the handshake has set it. */
    wsIdentity: WsIdentity | null
  }
}

// A registered symbol, since an application may hold several copies of this package.
const kIdentity = Symbol.for('airlock.identity')

interface Identified {
  [kIdentity]?: WsIdentity | null
}

/**
 * Declares `request.wsIdentity` once, whichever plugin is registered first. Node's request holds it: that is the one which
 * libraries hand on, and both have the same.
 */
export function decorateIdentity (fastify: FastifyInstance): void {
  if (fastify.hasRequestDecorator('wsIdentity')) return
  fastify.decorateRequest<WsIdentity | null, 'wsIdentity'>('wsIdentity', {
    getter () { return (this.raw as Identified)[kIdentity] ?? null },
    setter (identity) { (this.raw as Identified)[kIdentity] = identity }
  })
}

/**
 * Finds the user of an upgrade where a library has Node's request and not Fastify's: in tRPC's `createContext`, in the
 * `authenticate` of aedes, and in the hooks of Yjs servers. It is the very object of `request.wsIdentity`.
 *
 * @param request Node's request, or Fastify's, or nothing
 * @returns `null` before the guard or the handshake has set it, and for everything else
 *
 * @example
 * const createContext = ({ req }: CreateFastifyContextOptions) => ({ user: identityOf(req)?.subject })
 */
export function identityOf (request: object | null | undefined): WsIdentity | null {
  if (typeof request !== 'object' || request === null) return null
  return (request as Identified)[kIdentity] ?? ((request as Partial<FastifyRequest>).raw as Identified | undefined)?.[kIdentity] ?? null
}

/** Is told when an identity has changed. */
export interface IdentityWatcher {
  /** Must not throw. */
  identityChanged (): void
}

// A registered symbol, since an application may hold several copies of this package.
const kWatchers = Symbol.for('airlock identity watchers')
const shared = globalThis as { [kWatchers]?: WeakMap<object, readonly IdentityWatcher[]> }
const watchers = shared[kWatchers] ??= new WeakMap()

/** Has a watcher told of each change of an identity, until {@link unwatchIdentity}. */
export function watchIdentity (identity: object, watcher: IdentityWatcher): void {
  watchers.set(identity, [...watchers.get(identity) ?? [], watcher])
}

/** Ends {@link watchIdentity}. */
export function unwatchIdentity (identity: object, watcher: IdentityWatcher): void {
  const others = watchers.get(identity)?.filter(other => other !== watcher) ?? []
  if (others.length === 0) watchers.delete(identity)
  else watchers.set(identity, others)
}

/**
 * Announces that an identity was changed in place: a refresh, or a re-check, has brought other claims. What was granted by
 * the old ones is asked again.
 */
export function announceIdentityChange (identity: object): void {
  for (const watcher of watchers.get(identity) ?? []) watcher.identityChanged()
}
