/** The JSON in a part of a JWT; an empty object if there is none. */
export function decodePart (part = ''): Record<string, unknown> {
  try {
    return Object(JSON.parse(Buffer.from(part, 'base64url').toString())) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** The claims of a JWT, which are not verified. */
export function claimsOf (token: string): Record<string, unknown> {
  return decodePart(token.split('.')[1])
}

/** Whether a text is a JWT, and so can be forged. */
export function isJwt (token: string): boolean {
  const [header, ...rest] = token.split('.')
  return rest.length === 2 && 'alg' in decodePart(header)
}
