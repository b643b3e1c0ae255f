import { createHmac, createPublicKey, createVerify, generateKeyPairSync, type JsonWebKey, randomBytes, sign as signBytes } from 'node:crypto'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })

/** The server's keys. */
export const SECRET = randomBytes(32).toString('base64')
export const PUBLIC_KEY = publicKey

export type Claims = Record<string, unknown>

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

export const seconds = (): number => Date.now() / 1_000

/** Signs a token with a secret, or with the server's private key. */
export function sign (claims: Claims, secret: string | null = SECRET): string {
  const input = `${encode({ alg: secret === null ? 'RS256' : 'HS256', typ: 'JWT' })}.${encode(claims)}`
  const signature = secret === null ? signBytes('sha256', Buffer.from(input), privateKey) : createHmac('sha256', secret).update(input).digest()
  return `${input}.${signature.toString('base64url')}`
}

/** How a server is careless with tokens. */
export interface Carelessness {
  /** Does not look at the signature. */
  decode?: boolean
  /** Takes these spellings of `alg` for "no signature". */
  none?: readonly string[]
  /** Uses the key in the header. */
  jwk?: boolean
  /** Chooses the algorithm by the header, and has one key for all. */
  confused?: boolean
  /** Does not look at `exp`. */
  expired?: boolean
}

/** Verifies a token; throws where it is wrong. */
export function verify (token: unknown, secret: string | null, { decode, none = [], jwk, confused, expired }: Carelessness): Claims {
  if (typeof token !== 'string') throw new Error('no token')
  const [head = '', body = '', signature = ''] = token.split('.')
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as { alg?: string, jwk?: JsonWebKey }
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims
  const byHmac = (key: string): boolean => createHmac('sha256', key).update(`${head}.${body}`).digest('base64url') === signature
  const byRsa = (key: string | object): boolean => createVerify('sha256').update(`${head}.${body}`).verify(key as string, signature, 'base64url')
  const holds = decode === true ||
    (signature === '' && none.includes(String(header.alg))) ||
    (jwk === true && header.jwk?.kty === 'RSA' && byRsa(createPublicKey({ key: header.jwk, format: 'jwk' }))) ||
    (confused === true && header.alg === 'HS256' && byHmac(PUBLIC_KEY)) ||
    (secret === null ? header.alg === 'RS256' && byRsa(PUBLIC_KEY) : header.alg === 'HS256' && byHmac(secret))
  if (!holds) throw new Error('signature')
  if (expired !== true && typeof claims.exp === 'number' && claims.exp <= seconds()) throw new Error('expired')
  return claims
}
