import { hash, timingSafeEqual } from 'node:crypto'

/** Who may ask the authority: another system, not a user. */
export interface Client {
  id: string
  secret: string
}

/** The client of the demo. Its secret is public. */
export const demoClient: Client = { id: 'airlock-demo', secret: 'demo-only-secret' }

/** Whether two texts are the same, in a time that does not tell where they differ. */
export function same (one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'))
}

/**
 * Whether an Authorization header is that of the client: HTTP Basic, whose parts are form-encoded (RFC 6749, section
 * 2.3.1).
 */
export function isClient (authorization: string | undefined, client: Client): boolean {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ', 2)
  if (scheme.toLowerCase() !== 'basic') return false
  const [id = '', secret = ''] = Buffer.from(value, 'base64').toString().split(':').map(decode)
  const rightId = same(id, client.id)
  return same(secret, client.secret) && rightId
}

function decode (text: string): string {
  return new URLSearchParams(`text=${text.replaceAll('&', '%26')}`).get('text') as string
}
