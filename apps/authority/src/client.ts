import { hash, timingSafeEqual } from 'node:crypto'

/** The system that may ask the authority about tokens (RFC 6749, section 2). */
export interface Client {
  id: string
  secret: string
}

/** The client of the demo. Its secret is public. */
export const demoClient: Client = { id: 'airlock-demo', secret: 'demo-only-secret' }

/** Whether two texts are equal, in a time that does not reveal where they differ. */
export function equals (one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'))
}

/**
 * Whether an Authorization header has the credentials of the client: HTTP Basic, with form-encoded parts (RFC 6749,
 * section 2.3.1).
 */
export function isClient (authorization: string | undefined, client: Client): boolean {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ', 2)
  if (scheme.toLowerCase() !== 'basic') return false
  const [id = '', secret = ''] = Buffer.from(value, 'base64').toString().split(':').map(decode)
  const isRightId = equals(id, client.id)
  return equals(secret, client.secret) && isRightId
}

function decode (text: string): string {
  return new URLSearchParams(`text=${text.replaceAll('&', '%26')}`).get('text') as string
}
