import { type JwtVerifier, next, type VerifiedToken, type WsClaims, type WsIdentity } from '@fastify-airlock/core'
import type { FastifyRequest } from 'fastify'
import type { ResolvedOptions } from './options.js'
import { REFUSALS, type Refusal } from './refusal.js'
import { type Claims, isWider, Scopes } from './scope.js'

/** Who shows a token. */
export interface Claimant {
  /** There where the route has a hook that asks for it. */
  readonly request: FastifyRequest | null
  /** Who the client is known to be: by the upgrade's guard or by an earlier token; `null` for a stranger. */
  readonly identity: WsIdentity | null
  /** The claims of the upgrade's credential, which those of every token complete. */
  readonly baseClaims: WsClaims | undefined
  /** What the token in force grants; `null` before the first. */
  readonly scopes: Claims | null
}

/** A token that passed every check, and the identity it makes; not in force yet. */
export interface Proof {
  readonly token: VerifiedToken
  readonly identity: WsIdentity
  /** What the token grants, as it was before a hook saw it. */
  readonly scopes: Claims
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
  const granted = new Scopes(scopeClaims)
  return (jwt, claimant) => next(verify(jwt), token => {
    if (token === 'token expired') return REFUSALS.TOKEN_EXPIRED
    if (token === 'token invalid') return REFUSALS.TOKEN_INVALID
    const { request, identity, baseClaims, scopes } = claimant
    const { subject, claims, expiresAt } = token
    if (identity !== null && identity.subject !== subject) return REFUSALS.SUBJECT_MISMATCH
    if (scopes !== null && isWider(scopes, claims, scopeClaims)) return REFUSALS.SCOPE_WIDER
    const proof: Proof = {
      token,
      identity: { subject, claims: baseClaims === undefined ? { ...claims } : { ...baseClaims, ...claims }, expiresAt },
      scopes: granted.of(claims)
    }
    // Strict comparisons: a hook that forgot to return, or to await, must not let anybody in.
    const unlessRevoked = (): Verdict | Promise<Verdict> => isRevoked === undefined
      ? proof
      : next(isRevoked(token, request as FastifyRequest), revoked => revoked === false ? proof : REFUSALS.TOKEN_REVOKED)
    // Revocation comes last, so that a log-out counts that happens while `authorize` takes its time.
    return authorize === undefined
      ? unlessRevoked()
      : next(authorize(proof.identity, request as FastifyRequest), yes => yes === true ? unlessRevoked() : REFUSALS.NOT_AUTHORISED)
  })
}
