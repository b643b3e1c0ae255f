import type { FastifyInstance } from 'fastify'

/**
 * Merge your own types into this interface to type `request.wsIdentity.claims`:
 *
 * @example
 * declare module '@fastify-airlock/core' {
 *   interface WsIdentityTypes { claims: { role: 'admin' | 'user' } }
 * }
 */
export interface WsIdentityTypes {}

/** What is known of a client besides its subject; `Record<string, unknown>` unless {@link WsIdentityTypes} says more. */
export type WsClaims = WsIdentityTypes extends { claims: infer Claims } ? Claims : Record<string, unknown>

/**
 * Who stands behind a WebSocket. One object per connection: the guard makes it, the handshake completes it in
 * place and a refresh updates it in place, so every holder always sees the current state.
 */
export interface WsIdentity {
  /** The user's id: the ticket's subject, the `sub` claim of a JWT. */
  subject: string
  /** The claims of the ticket, then those of the JWT. */
  claims: WsClaims
  /** When the proof expires, in milliseconds since the epoch; `null` while nothing that expires was shown. */
  expiresAt: number | null
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking; `null` until the guard or the handshake has found out. */
    wsIdentity: WsIdentity | null
  }
}

/** Declares `request.wsIdentity` once, whichever plugin comes first. */
export function decorateIdentity (fastify: FastifyInstance): void {
  if (!fastify.hasRequestDecorator('wsIdentity')) fastify.decorateRequest('wsIdentity', null)
}
