/** Which `iss` and `aud` values are accepted. What is left out is not checked. */
export interface AcceptedClaims {
  /** Accepted `iss` values. */
  issuer?: string | string[] | undefined
  /** Accepted `aud` values; one match is enough (RFC 7519, section 4.1.3). */
  audience?: string | string[] | undefined
}

/** Why {@link createClaimsCheck} refuses claims. */
export type ClaimsProblem = 'wrong issuer' | 'wrong audience'

/** Makes the check of issuer and audience that JWTs and answers of token introspection share. */
export function createClaimsCheck (
  { issuer, audience }: AcceptedClaims
): (claims: { iss?: unknown, aud?: unknown }) => ClaimsProblem | null {
  const issuers = issuer === undefined ? null : new Set<unknown>([issuer].flat())
  const audiences = audience === undefined ? null : new Set<unknown>([audience].flat())
  return ({ iss, aud }) => {
    if (issuers !== null && !issuers.has(iss)) return 'wrong issuer'
    if (audiences !== null && ![aud].flat().some(one => audiences.has(one))) return 'wrong audience'
    return null
  }
}
