import type { JwtVerifier, VerifiedToken, WsClaims, WsIdentity } from '@fastify-airlock/core'
import type { FastifyRequest } from 'fastify'
import type { ResolvedOptions } from './options.js'
import { REFUSALS, type Refusal } from './refusal.js'
import { isWider } from './scope.js'

/** Who shows a token. */
export interface Claimant {
  readonly request: FastifyRequest
  /** Who the client is known to be: by the upgrade's guard or by an earlier token; `null` for a stranger. */
  readonly identity: WsIdentity | null
  /** The claims of the upgrade's credential, which those of every token complete. */
  readonly baseClaims: WsClaims | undefined
  /** The claims of the token in force; `null` before the first. */
  readonly tokenClaims: WsClaims | null
}

/** A token that passed every check, and the identity it makes; not in force yet. */
export interface Proof {
  readonly token: VerifiedToken
  readonly identity: WsIdentity
}

/** What came of a check. */
export type Verdict = Proof | Refusal

/**
 * Checks a token. A promise only where a hook returned one. Throws or rejects where a hook did: that is neither a yes
 * nor a no, and the caller must refuse.
 */
export type Check = (jwt: string, claimant: Claimant) => Verdict | Promise<Verdict>

/** Prepares the check of one route. Cheap and synchronous steps come first, the application's hooks last. */
export function createCheck (
  verify: JwtVerifier,
  { isRevoked, authorize, scopeClaims }: Pick<ResolvedOptions, 'isRevoked' | 'authorize' | 'scopeClaims'>
): Check {
  return (jwt, claimant) => next(verify(jwt), token => {
    if (token === 'token expired') return REFUSALS.TOKEN_EXPIRED
    if (token === 'token invalid') return REFUSALS.TOKEN_INVALID
    const { request, identity, baseClaims, tokenClaims } = claimant
    if (identity !== null && identity.subject !== token.subject) return REFUSALS.SUBJECT_MISMATCH
    if (tokenClaims !== null && isWider(tokenClaims, token.claims, scopeClaims)) return REFUSALS.SCOPE_WIDER
    const proof: Proof = {
      token,
      identity: { subject: token.subject, claims: { ...baseClaims, ...token.claims }, expiresAt: token.expiresAt }
    }
    // Strict comparisons: a hook that forgot to return, or to await, must not let anybody in.
    const unlessRevoked = (): Verdict | Promise<Verdict> => isRevoked === undefined
      ? proof
      : next(isRevoked(token, request), revoked => revoked === false ? proof : REFUSALS.TOKEN_REVOKED)
    // Revocation comes last, so that a log-out counts that happens while `authorize` takes its time.
    return authorize === undefined
      ? unlessRevoked()
      : next(authorize(proof.identity, request), yes => yes === true ? unlessRevoked() : REFUSALS.NOT_AUTHORISED)
  })
}

/** Whether a value has to be awaited. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}

/** Goes on at once with a value that is there, so that synchronous hooks cost no promise and no turn. */
function next<T, R> (value: T | PromiseLike<T>, step: (value: T) => R | Promise<R>): R | Promise<R> {
  return isThenable(value) ? Promise.resolve(value).then(step) : step(value)
}
