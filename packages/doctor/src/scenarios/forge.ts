/** Changes the payload of a JWT and keeps its old signature. */
export function changePayload (token: string, change: Record<string, unknown>): string {
  const [header = '', payload = '', signature = ''] = token.split('.')
  return `${header}.${encode({ ...decode(payload), ...change })}.${signature}`
}

/** Puts the same claims into a JWT that claims to need no signature (RFC 7519, section 6). */
export function withoutSignature (token: string): string {
  const [, payload = ''] = token.split('.')
  return `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`
}

/** Makes up a string that looks like a ticket. */
export function inventTicket (random: Uint8Array = crypto.getRandomValues(new Uint8Array(32))): string {
  return base64url(random)
}

function decode (part: string): Record<string, unknown> {
  const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'))
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, character => character.charCodeAt(0))))
}

function encode (value: unknown): string {
  return base64url(new TextEncoder().encode(JSON.stringify(value)))
}

function base64url (bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
