import { grants, type JwtVerifier, type Misuse, next, revokes, type VerifiedToken, type WsClaims, type WsIdentity } from '@fastify-airlock/core'
import type { FastifyRequest } from 'fastify'
import type { HandshakeSettings } from './options.js'
import { REFUSALS, type Refusal } from './refusal.js'
import { type Claims, isWider, Scopes } from './scope.js'

/** The client that shows a token. */
export interface Claimant {
  /** The request of the upgrade; `null` only if neither a hook of the route nor the verifier needs it. */
  readonly request: FastifyRequest | null
  /** The identity that the upgrade or an earlier token has proved; `null` if there is none yet. */
  readonly identity: WsIdentity | null
  /** The claims of the upgrade's credential. Each token adds its own to them. */
  readonly baseClaims: WsClaims | undefined
  /** What the token in force grants; `null` before the first token. */
  readonly scopes: Claims | null
}

/** A token that has passed every check, and the identity that it makes. It is not in force yet. */
export interface Proof {
  readonly token: VerifiedToken
  readonly identity: WsIdentity
  /** What the token grants, as it was before a hook saw it. */
  readonly scopes: Claims
}

/** The outcome of a check. */
export type Verdict = Proof | Refusal

/**
 * Checks a token. Returns a promise only if a hook returned one. Throws or rejects if a hook did: that is neither a yes
 * nor a no, and the caller must refuse.
 */
export type TokenCheck = (jwt: string, claimant: Claimant) => Verdict | Promise<Verdict>

/** The code of the warning about a hook that returned no boolean. */
export const ANSWER = 'WSA_HANDSHAKE_WARN_ANSWER'

const REVOKES = revokes('isRevoked')
const AUTHORIZES = grants('authorize')

/** Makes the check of one route. Cheap and synchronous steps come first, the application's hooks last. */
export function createTokenCheck (
  verify: JwtVerifier,
  { isRevoked, authorize, scopeClaims }: Pick<HandshakeSettings, 'isRevoked' | 'authorize' | 'scopeClaims'>,
  misuse: Misuse
): TokenCheck {
  const granted = new Scopes(scopeClaims)
  return (jwt, claimant) => next(verify(jwt, claimant.request), token => {
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
    const unlessRevoked = (): Verdict | Promise<Verdict> => isRevoked === undefined
      ? proof
      : next(isRevoked(token, request as FastifyRequest), answer => misuse.isRevoked(REVOKES, answer) ? REFUSALS.TOKEN_REVOKED : proof)
    // Revocation comes last, so that a logout counts that happens while `authorize` is pending.
    return authorize === undefined
      ? unlessRevoked()
      : next(authorize(proof.identity, request as FastifyRequest), answer => misuse.isGranted(AUTHORIZES, answer) ? unlessRevoked() : REFUSALS.NOT_AUTHORIZED)
  })
}
