import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { claimsOf, decodePart } from '../jwt.js'
import { fail, type Outcome, pass, type Probe, skipped } from '../outcome.js'
import { changePayload, withoutSignature } from '../scenarios/index.js'
import { describeStatus, type Visit } from '../visit.js'
import { scenarioProbes } from './scenarios.js'

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** What people write where a secret belongs. */
const WEAK = [
  '', 'secret', 'supersecret', 'super-secret', 'your-256-bit-secret', 'your_jwt_secret', 'jwt-secret', 'jwtsecret', 'JWT_SECRET', 'changeme', 'change-me',
  'password', '123456', 'test', 'dev', 'development', 'default', 'key', 'private', 'shhhhh', 'secretkey', 'secret-key', 'my-secret', 'mysecret', 'undefined', 'null',
  'a secret that is long enough for HS256', 'a-string-secret-at-least-256-bits-long', 'airlock-example-secret-0123456789'
]

function hmac (header: object, payload: string, key: string | Buffer, bits = 256): string {
  const input = `${part(header)}.${payload}`
  return `${input}.${createHmac(`sha${bits}`, key).update(input).digest('base64url')}`
}

function rsa (header: object, payload: string, key: KeyObject): string {
  const input = `${part(header)}.${payload}`
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

let keys: { privateKey: KeyObject, publicKey: KeyObject } | undefined

/** Keys of the doctor's own, made when they are first needed: that takes a while. */
function ownKeys (): { privateKey: KeyObject, publicKey: KeyObject } {
  keys ??= generateKeyPairSync('rsa', { modulusLength: 2_048 })
  return keys
}

/** Shows each token where the server asks for one; the first that is let in fails the rule. */
async function refuses (visit: Visit, tokens: Readonly<Record<string, string>>): Promise<Outcome> {
  const seen: string[] = []
  for (const [what, token] of Object.entries(tokens)) {
    if (visit.settings.firstFrame) {
      const peer = await visit.enter()
      peer.send(visit.auth(token))
      if (await visit.welcome(peer) !== undefined) return fail(`${what}: let in`)
      seen.push(`${what}: ${await visit.describeEnd(peer)}`)
    } else {
      const { peer, status } = await visit.upgrade({ credential: token })
      if (peer !== null) return fail(`${what}: 101`)
      seen.push(`${what}: ${describeStatus(status)}`)
    }
  }
  return pass(seen.join('; '))
}

/** Whether there is a place to show a JWT: in the first frame, or on the upgrade in place of a ticket. */
function hasPlace ({ settings, hasTickets }: Visit): boolean {
  return settings.firstFrame || !hasTickets
}

const NO_PLACE = skipped('no JWT is shown to this server, tickets alone')

function atEitherDoor (tokens: (token: string, visit: Visit) => Readonly<Record<string, string>>): Probe {
  return async visit => hasPlace(visit) ? await refuses(visit, tokens(visit.settings.token as string, visit)) : NO_PLACE
}

function payloadOf (token: string): string {
  return token.split('.')[1] as string
}

async function weakSecret ({ settings }: Visit): Promise<Outcome> {
  const token = settings.token as string
  const [header, payload, signature] = token.split('.')
  const { alg } = decodePart(header)
  if (typeof alg !== 'string' || !/^HS(256|384|512)$/.test(alg)) return skipped('the JWT is not signed with a secret')
  const found = WEAK.some(secret => createHmac(`sha${alg.slice(2)}`, secret).update(`${header as string}.${payload as string}`).digest('base64url') === signature)
  return found ? fail('the JWT is signed with a secret of a list that everybody has') : pass(`none of ${WEAK.length} secrets that everybody knows`)
}

async function jwtClaims ({ settings }: Visit): Promise<Outcome> {
  const claims = claimsOf(settings.token as string)
  const missing = ['exp', 'sub'].filter(name => claims[name] === undefined)
  return missing.length === 0 ? pass('the JWT has exp and sub') : fail(`a JWT without ${missing.join(' and ')} is let in`)
}

/** At the door that there is: the scenarios of the page know door two alone. */
function scenarioOr (id: 'forged-jwt' | 'alg-none', tokens: (token: string) => Readonly<Record<string, string>>): Probe {
  const other = atEitherDoor(tokens)
  return async visit => visit.settings.firstFrame ? await scenarioProbes[id](visit) : await other(visit)
}

export const tokenProbes = {
  'forged-jwt': scenarioOr('forged-jwt', token => ({ 'changed claims': changePayload(token, { role: 'owner' }) })),
  'alg-none': scenarioOr('alg-none', token => ({ 'alg none': withoutSignature(token) })),
  'unsigned-jwt': atEitherDoor(token => {
    const [header, payload] = token.split('.') as [string, string]
    return {
      'no signature': `${header}.${payload}.`,
      'alg None': `${part({ alg: 'None', typ: 'JWT' })}.${payload}.`,
      'alg NONE': `${part({ alg: 'NONE', typ: 'JWT' })}.${payload}.`,
      'alg nOnE': `${part({ alg: 'nOnE', typ: 'JWT' })}.${payload}.`,
      'no alg': `${part({ typ: 'JWT' })}.${payload}.`
    }
  }),
  'embedded-key': atEitherDoor(token => {
    const { privateKey, publicKey } = ownKeys()
    const payload = payloadOf(token)
    return {
      'jwk with a key of the doctor\'s': rsa({ alg: 'RS256', jwk: publicKey.export({ format: 'jwk' }) }, payload, privateKey),
      'jwk with a secret of the doctor\'s': hmac({ alg: 'HS256', jwk: { kty: 'oct', k: Buffer.from('doctor').toString('base64url') } }, payload, 'doctor'),
      'kid of an empty file': hmac({ alg: 'HS256', kid: '/dev/null' }, payload, '')
    }
  }),
  'key-confusion': atEitherDoor((token, { settings }) => {
    const pem = settings.publicKey as string
    return {
      'HS256 by the public key in PEM': hmac({ alg: 'HS256', typ: 'JWT' }, payloadOf(token), pem),
      'HS256 by the public key in DER': hmac({ alg: 'HS256', typ: 'JWT' }, payloadOf(token), createPublicKey(pem).export({ type: 'spki', format: 'der' }))
    }
  }),
  'weak-secret': weakSecret,
  'expired-jwt': atEitherDoor((_token, { settings }) => ({ 'an expired JWT': settings.expiredToken as string })),
  'jwt-claims': jwtClaims
} satisfies Record<string, Probe>
