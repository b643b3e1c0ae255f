import type { Carriers, WsClaims, WsIdentity } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** What an authenticator found out. The guard makes `request.wsIdentity` from it. */
export interface Authenticated extends Pick<WsIdentity, 'subject'> {
  /** @default {} */
  claims?: WsClaims
  /**
   * When the credential expires, in milliseconds since the epoch.
   * @default null
   */
  expiresAt?: number | null
}

/** Checks a credential that the guard found on one of its carriers. */
export interface CredentialCheck {
  /** Where the credential may be. */
  carriers: Carriers
  /**
   * @returns who it is; `null` refuses with 401
   * @throws an error, whose `statusCode` and `headers` are sent, when it could not find out
   */
  authenticate (credential: string, request: FastifyRequest): Authenticated | null | Promise<Authenticated | null>
  /**
   * Whether it is certain, without using anything up, that nobody has this credential. Called before the router, with
   * `refuseBeforeRouting`. Must be synchronous and never throw.
   */
  isUnknown? (credential: string): boolean
}

/** Makes a {@link CredentialCheck} for a route, whose instance it may look at: at its decorators, for example. */
export interface CredentialCheckFactory {
  prepare (fastify: FastifyInstance): CredentialCheck
}

/** A function of the request. It finds the credential itself. */
export type AuthenticateFunction = (request: FastifyRequest) => Authenticated | null | Promise<Authenticated | null>

/** Authenticates upgrades: the return value of `ticket()` or `jwt()`, a check of your own, or a function. */
export type Authenticator = CredentialCheck | CredentialCheckFactory | AuthenticateFunction
