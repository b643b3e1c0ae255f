import type { FastifyInstance } from 'fastify'

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

/** Declares `request.wsIdentity` once, whichever plugin is registered first. */
export function decorateIdentity (fastify: FastifyInstance): void {
  if (!fastify.hasRequestDecorator('wsIdentity')) fastify.decorateRequest('wsIdentity', null)
}
