import { CompactEncrypt, EncryptJWT } from 'jose'
import { createHmac, createPublicKey, generateKeyPairSync, type KeyLike, randomBytes, sign as signBytes, constants } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'

/** A token that nobody may be let in with. */
export interface BadToken {
  kind: string
  name: string
  token: string
  /** Whether the server's own key has signed it: `@fastify/jwt`, and so the ticket route, takes some of these. */
  isSigned: boolean
}

/** Kinds that only who has the server's key can make. */
const SIGNED = new Set(['other algorithm', 'crit', 'b64', 'zip', 'exp', 'nbf', 'iat', 'sub', 'duplicate', 'header', 'payload', 'nested'])

/** A server's keys, as the corpus needs them: those of the server, to sign what it must refuse all the same. */
export interface Keys {
  algorithm: 'HS256' | 'RS256' | 'ES256'
  /** What signs a good token: the secret, or a private key in PEM. */
  signing: string
  /** A public key in PEM, for asymmetric algorithms: everybody has it. */
  public?: string
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })
const ed25519 = generateKeyPairSync('ed25519', { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })

/** Keys for servers of each kind. The attacker's are others. */
export const KEYS: Record<string, Keys> = (() => {
  const own = {
    rsa: generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } }),
    p256: generateKeyPairSync('ec', { namedCurve: 'P-256', publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })
  }
  return {
    HS256: { algorithm: 'HS256' as const, signing: randomBytes(32).toString('base64') },
    RS256: { algorithm: 'RS256' as const, signing: own.rsa.privateKey, public: own.rsa.publicKey },
    ES256: { algorithm: 'ES256' as const, signing: own.p256.privateKey, public: own.p256.publicKey }
  }
})()

const encode = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A signature under an algorithm, whatever the header says. */
export function signature (algorithm: string, input: string, key: KeyLike | Buffer | string): string {
  const bits = algorithm.slice(2)
  if (algorithm.startsWith('HS')) return createHmac(`sha${bits}`, key as string).update(input).digest('base64url')
  if (algorithm === 'EdDSA') return signBytes(null, Buffer.from(input), key as string).toString('base64url')
  const padding = algorithm.startsWith('PS') ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(bits) / 8 } : {}
  const encoding = algorithm.startsWith('ES') ? { dsaEncoding: 'ieee-p1363' as const } : {}
  return signBytes(`sha${bits}`, Buffer.from(input), { key: key as string, ...padding, ...encoding }).toString('base64url')
}

/** A token whose header and payload may be any JSON, or any text. */
export function forge (header: unknown, payload: unknown, algorithm: string, key: string | Buffer): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signature(algorithm, input, key)}`
}

/** A good token. */
export function goodToken ({ algorithm, signing }: Keys, claims: object): string {
  return forge({ alg: algorithm, typ: 'JWT' }, claims, algorithm, signing)
}

/** Claims that are good for ten minutes. */
export function goodClaims (sub: string): { sub: string, iat: number, exp: number } {
  const now = Math.floor(Date.now() / 1_000)
  return { sub, iat: now - 1, exp: now + 600 }
}

/**
 * Every bad token that this project knows of.
 *
 * @param trap a URL of the attacker's, which nobody may ask
 * @param flips how many of the characters of a good token are changed, one in each
 */
export async function badTokens (keys: Keys, sub: string, trap: string, flips = 60): Promise<BadToken[]> {
  const { algorithm, signing } = keys
  const claims = goodClaims(sub)
  const now = claims.iat
  const header = { alg: algorithm, typ: 'JWT' }
  const good = goodToken(keys, claims)
  const [head, body, mac] = good.split('.') as [string, string, string]
  const found: BadToken[] = []
  const add = (kind: string, name: string, token: string): void => { found.push({ kind, name, token, isSigned: SIGNED.has(kind) }) }
  /** Signed with the server's key, and bad all the same. */
  const signed = (header: unknown, payload: unknown): string => forge(header, payload, algorithm, signing)

  // No algorithm, or one by another spelling (RFC 8725, sections 2.1 and 3.1), with the signature missing, wrong or right.
  const names = ['none', 'None', 'NONE', 'nOnE', 'none ', ' none', 'none\0', '', null, undefined, 0, true, [], ['none'], [algorithm], {}, algorithm.toLowerCase(), `${algorithm} `, ` ${algorithm}`, `${algorithm}\0`, 'HS1', 'SHA256', 'A256GCM', 'dir', 'RSA1_5', 'toString', '__proto__']
  for (const alg of names) {
    const input = `${encode({ alg, typ: 'JWT' })}.${body}`
    for (const [what, third] of Object.entries({ 'no signature': '.', 'no third part': '', 'a right signature': `.${signature(algorithm, input, signing)}`, 'another token\'s signature': `.${mac}`, 'random bytes': `.${randomBytes(32).toString('base64url')}` })) {
      add('alg', `${JSON.stringify(alg)} with ${what}`, input + third)
    }
  }

  // Another algorithm than the one that is expected, with keys that everybody has or the attacker's own.
  for (const alg of ['HS256', 'HS384', 'HS512']) {
    if (keys.public !== undefined) {
      const der = createPublicKey(keys.public).export({ type: 'spki', format: 'der' })
      const jwk = createPublicKey(keys.public).export({ format: 'jwk' })
      const shapes: Record<string, string | Buffer> = {
        pem: keys.public,
        'pem without its end': keys.public.trim(),
        'pem with CR LF': keys.public.replaceAll('\n', '\r\n'),
        'pem in one line': keys.public.replaceAll('\n', ''),
        'its body': keys.public.split('\n').slice(1, -2).join(''),
        der,
        'der in base64': der.toString('base64'),
        jwk: JSON.stringify(jwk),
        n: String(jwk.n ?? jwk.x)
      }
      for (const [shape, key] of Object.entries(shapes)) for (const typ of ['JWT', undefined]) add('key confusion', `${alg} by the public key as ${shape}, typ ${typ}`, forge({ alg, typ }, claims, alg, key))
    }
    if (alg !== algorithm) add('other algorithm', `${alg} by the server's key`, forge({ alg, typ: 'JWT' }, claims, alg, signing))
  }
  if (algorithm === 'RS256') for (const alg of ['RS384', 'RS512', 'PS256', 'PS384', 'PS512']) add('other algorithm', `${alg} by the server's key`, forge({ alg }, claims, alg, signing))
  const attackers: Array<[string, string]> = [['RS256', rsa.privateKey], ['RS512', rsa.privateKey], ['PS256', rsa.privateKey], ['ES256', p256.privateKey], ['EdDSA', ed25519.privateKey]]
  for (const [alg, key] of attackers) for (const typ of ['JWT', 'at+jwt']) add('other key', `${alg}, typ ${typ}`, forge({ alg, typ }, claims, alg, key))
  for (const [what, key] of Object.entries({ empty: '', space: ' ', zero: '\0', secret: 'secret', 'its start': signing.slice(0, -1), 'its end': signing.slice(1), 'with a new line': `${signing}\n`, 'in base64': Buffer.from(signing).toString('base64'), 'from base64': Buffer.from(signing, 'base64'), 'in capitals': signing.toUpperCase(), twice: signing + signing, undefined: 'undefined', null: 'null', object: '[object Object]' })) {
    add('other key', `HS256 by ${what}`, forge({ alg: 'HS256' }, claims, 'HS256', key as string))
  }
  // A signature of ECDSA that is zero fits every key where it is not looked at (CVE-2022-21449).
  for (const alg of ['ES256', 'RS256', 'HS256', algorithm]) for (const size of [32, 64, 256]) for (const byte of [0, 1, 255]) add('other key', `${alg}, ${size} bytes of ${byte}`, `${encode({ alg })}.${body}.${Buffer.alloc(size, byte).toString('base64url')}`)

  // Names of keys that lead elsewhere (RFC 8725, section 3.10).
  const kids = ['../../../dev/null', '/dev/null', 'file:///dev/null', trap, "x' UNION SELECT 'secret", "' OR 1=1 --", '', ' ', null, 0, 1, {}, [], ['a'], true, '__proto__', 'constructor', 'toString', '\0', '|id', '$(id)', '%00', '$' + '{jndi:ldap://x}', 'x'.repeat(3_000)]
  for (const kid of kids) {
    for (const key of ['', '\0', 'secret']) add('kid', `${JSON.stringify(kid)?.slice(0, 40)} by ${JSON.stringify(key)}`, forge({ alg: 'HS256', kid }, claims, 'HS256', key))
    add('kid', `${JSON.stringify(kid)?.slice(0, 40)} by another RSA key`, forge({ alg: 'RS256', kid }, claims, 'RS256', rsa.privateKey))
  }

  // Keys that come with the token.
  const jwk = createPublicKey(rsa.publicKey).export({ format: 'jwk' })
  const der = createPublicKey(rsa.publicKey).export({ type: 'spki', format: 'der' }).toString('base64')
  const own: Record<string, object> = {
    jwk: { jwk },
    'jwk with kid': { jwk: { ...jwk, kid: 'a' }, kid: 'a' },
    jku: { jku: trap },
    'jku with kid': { jku: `${trap}/.well-known/jwks.json`, kid: 'a' },
    'jku with a fragment': { jku: `https://issuer.example#@${trap}` },
    x5u: { x5u: `${trap}/cert.pem` },
    x5c: { x5c: [der] },
    x5t: { x5t: randomBytes(20).toString('base64url'), x5u: trap },
    'x5t#S256': { 'x5t#S256': randomBytes(32).toString('base64url'), x5c: [der] },
    all: { jwk, jku: trap, x5u: trap, x5c: [der], kid: 'a' },
    pem: { jwk: rsa.publicKey },
    key: { key: rsa.publicKey, publicKey: rsa.publicKey, secret: '' }
  }
  for (const [what, members] of Object.entries(own)) {
    for (const alg of ['RS256', 'PS256']) add('embedded key', `${what}, ${alg}`, forge({ alg, ...members }, claims, alg, rsa.privateKey))
    add('embedded key', `${what}, HS256 by the public key`, forge({ alg: 'HS256', ...members }, claims, 'HS256', rsa.publicKey))
  }
  for (const k of ['', 'c2VjcmV0', 'AA']) for (const kty of ['oct', 'RSA']) add('embedded key', `${kty} ${k}`, forge({ alg: 'HS256', jwk: { kty, k } }, claims, 'HS256', Buffer.from(k, 'base64')))
  add('embedded key', 'EC', forge({ alg: 'ES256', jwk: createPublicKey(p256.publicKey).export({ format: 'jwk' }) }, claims, 'ES256', p256.privateKey))

  // Extensions that have to be understood (RFC 7515, section 4.1.11; RFC 7797), signed with the server's key.
  for (const crit of [['b64'], ['exp'], ['x'], ['alg'], ['x', 'x'], [], [''], [1], [null], null, false, true, 0, 1, '', 'x', {}, { 0: 'x', length: 1 }]) {
    for (const more of [{}, { x: 1, b64: true }]) add('crit', JSON.stringify({ crit, ...more }), signed({ ...header, crit, ...more }, claims))
  }
  for (const b64 of [false, 0, null]) {
    const input = `${encode({ ...header, b64, crit: ['b64'] })}.${JSON.stringify(claims)}`
    add('b64', `an unencoded payload, b64 ${b64}`, `${input}.${signature(algorithm, input, signing)}`)
    const detached = `${encode({ ...header, b64 })}.${body}`
    add('b64', `a detached payload, b64 ${b64}`, `${encode({ ...header, b64 })}..${signature(algorithm, detached, signing)}`)
  }
  for (const zip of ['DEF', 'GZIP']) {
    const input = `${encode({ ...header, zip })}.${deflateRawSync(JSON.stringify(claims)).toString('base64url')}`
    add('zip', zip, `${input}.${signature(algorithm, input, signing)}`)
  }

  // Times, signed with the server's key. JSON has numbers that JavaScript has not.
  const raw = (name: string, value: string): string => JSON.stringify({ ...claims, [name]: 'RAW' }).replace('"RAW"', value)
  const noTimes = ['"9999999999"', '""', '"never"', '"2099-01-01T00:00:00Z"', '"0x7fffffff"', 'true', 'false', '[]', '[9999999999]', '{}', '{"valueOf":9999999999}', '1e309', '-1e309', '1e308', '1e16', '9e12']
  for (const value of [...noTimes, 'null', '0', '-0', '1', '-1', '-9999999999', String(now - 1), String(now - 0.5), `${now - 60}.999`, '1e3', '1E-5', '0.1', '4294967295e-3']) add('exp', value, signed(header, raw('exp', value)))
  for (const value of [...noTimes, String(now + 3_600), '9999999999', '8e12', '4e9']) add('nbf', value, signed(header, raw('nbf', value)))
  for (const value of noTimes) add('iat', value, signed(header, raw('iat', value)))
  add('exp', 'missing', signed(header, { sub }))
  add('exp', 'by another name', signed(header, { sub, Exp: claims.exp, EXP: claims.exp, ' exp': claims.exp, expires: claims.exp }))
  add('exp', 'inherited', signed(header, `{"sub":"${sub}","__proto__":{"exp":${claims.exp}}}`))

  // Who it is, signed with the server's key.
  for (const value of ['""', 'null', '0', '1', 'true', '[]', `["${sub}"]`, '{}', `{"toString":"${sub}"}`]) add('sub', value, signed(header, raw('sub', value)))
  add('sub', 'missing', signed(header, { exp: claims.exp }))
  add('sub', 'inherited', signed(header, `{"__proto__":{"sub":"${sub}"},"exp":${claims.exp}}`))

  // The same name twice: the last counts (RFC 7519, section 4).
  add('duplicate', 'exp', signed(header, `{"sub":"${sub}","exp":${claims.exp},"exp":1}`))
  add('duplicate', 'exp, escaped', signed(header, `{"sub":"${sub}","exp":${claims.exp},"\\u0065xp":1}`))
  add('duplicate', 'sub', signed(header, `{"sub":"${sub}","exp":${claims.exp},"sub":""}`))
  add('duplicate', 'nbf', signed(header, `{"sub":"${sub}","exp":${claims.exp},"nbf":1,"nbf":${now + 3_600}}`))
  add('duplicate', 'alg', `${encode(`{"alg":"${algorithm}","alg":"none"}`)}.${body}.`)
  add('duplicate', 'alg, escaped', `${encode(`{"alg":"${algorithm}","\\u0061lg":"none"}`)}.${body}.`)
  add('duplicate', 'crit', signed(`{"alg":"${algorithm}","crit":[],"crit":["x"]}`, claims))

  // Headers and payloads that are no objects.
  for (const text of ['', ' ', 'null', 'true', '0', '"x"', '[]', `[${JSON.stringify(header)}]`, '{', '{}', '{"alg":', "{'alg':'none'}", '\uFEFF{}', 'undefined', good]) {
    add('header', text.slice(0, 20), signed(text, claims))
    add('payload', text.slice(0, 20), signed(header, text))
  }
  add('payload', 'not UTF-8', (() => {
    const input = `${head}.${Buffer.from('ff'.repeat(20), 'hex').toString('base64url')}`
    return `${input}.${signature(algorithm, input, signing)}`
  })())
  add('nested', 'a token as the payload', signed({ ...header, cty: 'JWT' }, good))
  add('nested', 'a token as a string', signed({ ...header, cty: 'JWT' }, JSON.stringify(good)))
  add('nested', 'in a claim', signed(header, { jwt: good }))

  // Encrypted tokens, for a server that has the key or its public half.
  const direct = Buffer.from(signing).subarray(0, 32)
  add('JWE', 'dir', await new EncryptJWT(claims).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(direct))
  add('JWE', 'A256KW', await new EncryptJWT(claims).setProtectedHeader({ alg: 'A256KW', enc: 'A128CBC-HS256' }).encrypt(direct))
  add('JWE', 'PBES2', await new EncryptJWT(claims).setProtectedHeader({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM' }).encrypt(Buffer.from(signing)))
  add('JWE', 'RSA-OAEP', await new EncryptJWT(claims).setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A128GCM' }).encrypt(createPublicKey(algorithm === 'RS256' ? keys.public as string : rsa.publicKey)))
  add('JWE', 'a signed token inside', await new CompactEncrypt(Buffer.from(good)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', cty: 'JWT' }).encrypt(direct))
  add('JWE', 'empty', '....')
  add('JWE', 'many iterations', `${encode({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2 ** 31, p2s: 'AAAA' })}.AAAA.AAAA.AAAA.AAAA`)

  // Parts that are missing, too many or written in another way.
  const shapes: Record<string, string> = {
    nothing: '',
    dot: '.',
    dots: '..',
    'three dots': '...',
    header: head,
    'two parts': `${head}.${body}`,
    'no header': `.${body}.${mac}`,
    'no payload': `${head}..${mac}`,
    'no signature': `${head}.${body}.`,
    'four parts': `${good}.${mac}`,
    'an empty fourth': `${good}.`,
    'five parts': `${good}.${head}.${body}`,
    'a dot first': `.${good}`,
    'signature first': `${mac}.${head}.${body}`,
    'payload first': `${body}.${head}.${mac}`,
    twice: good + good,
    'two tokens': `${good},${good}`,
    'two tokens, a space': `${good} ${good}`,
    'padded header': `${head}=.${body}.${mac}`,
    'padded payload': `${head}.${body}==.${mac}`,
    'the other alphabet': `${head}.${body}.${mac.replaceAll('-', '+').replaceAll('_', '/')}x`,
    'a space in it': `${head}. ${body}.${mac}`,
    'a new line in it': `${head}\n.${body}.${mac}`,
    'a zero in it': `${head}.${body}\0.${mac}`,
    'percent-encoded': good.replaceAll('.', '%2E'),
    quoted: `"${good}"`,
    'single quotes': `'${good}'`,
    brackets: `<${good}>`,
    'Bearer twice': `Bearer ${good}`,
    'in capitals': good.toUpperCase(),
    reversed: [...good].reverse().join(''),
    'full-width dots': good.replaceAll('.', '．'),
    'a Cyrillic letter': good.replace('e', 'е'),
    JSON: JSON.stringify({ payload: body, protected: head, signature: mac }),
    'JSON, general': JSON.stringify({ payload: body, signatures: [{ protected: head, signature: mac }] }),
    'an object': '[object Object]',
    undefined: 'undefined',
    null: 'null',
    'a path': '../../etc/passwd',
    long: 'x'.repeat(8_000),
    'long parts': `${'a'.repeat(2_500)}.${'b'.repeat(2_500)}.${'c'.repeat(2_500)}`,
    'many dots': '.'.repeat(5_000)
  }
  for (const [what, token] of Object.entries(shapes)) add('shape', what, token)
  const bytes = Buffer.from(mac, 'base64url')
  for (const size of [0, 1, 2, 8, 16, 20, 31].filter(size => size < bytes.length)) add('signature', `${size} of its bytes`, `${head}.${body}.${bytes.subarray(0, size).toString('base64url')}`)
  for (const more of [1, 16, 32]) add('signature', `${more} bytes more`, `${head}.${body}.${Buffer.concat([bytes, Buffer.alloc(more)]).toString('base64url')}`)
  for (let bit = 0; bit < bytes.length * 8; bit += Math.max(1, Math.floor(bytes.length * 8 / flips))) {
    const other = Buffer.from(bytes)
    other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7))
    add('signature', `bit ${bit}`, `${head}.${body}.${other.toString('base64url')}`)
  }
  for (let at = 0; at < head.length + 1 + body.length; at += Math.max(1, Math.floor(good.length / flips))) {
    const other = good[at] === 'A' ? 'B' : 'A'
    add('flip', `character ${at}`, good.slice(0, at) + other + good.slice(at + 1))
  }
  return found
}
