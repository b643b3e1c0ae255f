/** The claim that names the session, unless the application names another: that of OpenID Connect. */
export const SESSION_CLAIM = 'sid'

/** Returns a claim that is text and not empty. Claims of other types, and those of a prototype, are none. */
export function textClaim (claims: object | undefined, name: string): string | undefined {
  const value: unknown = claims !== undefined && Object.hasOwn(claims, name) ? (claims as Record<string, unknown>)[name] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}

/**
 * Returns the session that claims belong to: the one login that ends with a logout, and not the user. It is the claim `sid`
 * (OpenID Connect Back-Channel Logout 1.0, section 2.1), in a JWT, a ticket and an identity alike.
 *
 * @param name another claim, where the application has another
 * @returns `undefined` if there is none; who has none counts for the user
 */
export function sessionOf (claims: object | undefined, name: string = SESSION_CLAIM): string | undefined {
  return textClaim(claims, name)
}
