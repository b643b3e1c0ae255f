import { createHmac } from 'node:crypto'

/**
 * Whether bytes may begin with the head of a valid opening handshake (RFC 9112, section 3; RFC 6455, section 4.1), judged without
 * any code of the server's: `false` only where they surely do not.
 */
export function mayUpgrade (bytes: Buffer): boolean {
  const text = bytes.toString('latin1')
  // Node skips all of these before a request, and a lone LF may end a line (RFC 9112, section 2.2).
  const [head = ''] = text.replace(/^[\r\n]+/, '').split(/\r?\n\r?\n/)
  if (head === text) return false
  const [first = '', ...lines] = head.split(/\r?\n/)
  const request = /^GET ([^ ]+) HTTP\/1\.1$/.exec(first)
  if (request === null || (request[1] as string).includes('#')) return false
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const [, name, value = ''] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined) return false
    headers.set(name.toLowerCase(), [...headers.get(name.toLowerCase()) ?? [], value])
  }
  const only = (name: string): string => headers.get(name)?.length === 1 ? headers.get(name)?.[0] as string : ''
  const length = headers.get('content-length') ?? []
  return only('host') !== '' && only('sec-websocket-version') === '13' && /^[+/\dA-Za-z]{22}==$/.test(only('sec-websocket-key')) &&
    (headers.get('upgrade') ?? []).join(',').toLowerCase() === 'websocket' && /\bupgrade\b/i.test((headers.get('connection') ?? []).join(',')) &&
    !headers.has('transfer-encoding') && length.every(value => /^0*$/.test(value)) && (headers.get('authorization')?.length ?? 0) < 2
}

/** What a client sent after the head, as RFC 6455, section 5, reads it. */
export interface Read {
  /** The first message of data, if it is whole and text. */
  first: string | null
  /** Whether all frames are whole and none is malformed, so that a ping after them is answered. */
  isWhole: boolean
}

/** Reads frames of a client. */
export function readFrames (bytes: Buffer): Read {
  let at = 0
  let first: string | null | undefined
  let opened: { text: boolean, parts: Buffer[] } | null = null
  const end = (isWhole: boolean): Read => ({ first: first ?? null, isWhole: isWhole && opened === null })
  while (at < bytes.length) {
    if (at + 2 > bytes.length) return end(false)
    const [one, two] = [bytes[at] as number, bytes[at + 1] as number]
    const [fin, opcode, isMasked] = [(one & 0x80) !== 0, one & 0x0f, (two & 0x80) !== 0]
    let length = two & 0x7f
    at += 2
    if ((one & 0x70) !== 0 || !isMasked || (opcode > 2 && opcode < 8) || opcode > 10) return end(false)
    if (opcode >= 8 && (!fin || length > 125)) return end(false)
    if (length === 126) { length = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : Infinity; at += 2 } else if (length === 127) { length = at + 8 <= bytes.length ? Number(bytes.readBigUInt64BE(at)) : Infinity; at += 8 }
    if (at + 4 + length > bytes.length) return end(false)
    const mask = bytes.subarray(at, at + 4)
    const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length))
    for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] as number) ^ (mask[i & 3] as number)
    at += 4 + length
    // What follows a close frame is not read.
    if (opcode === 8) return end(false)
    if (opcode >= 8) continue
    if ((opcode === 0) !== (opened !== null)) return end(false)
    opened ??= { text: opcode === 1, parts: [] }
    opened.parts.push(payload)
    if (fin) {
      first ??= opened.text ? Buffer.concat(opened.parts).toString() : ''
      opened = null
    }
  }
  return end(true)
}

/**
 * The subject of a token that is signed with the secret and in force; `null` for any other text.
 *
 * @param needsExpiry whether a token without `exp` is none
 */
export function subjectOf (token: string, secret: string, needsExpiry = true): string | null {
  const [head = '', body = '', mac = '', ...more] = token.split('.')
  try {
    const { alg } = JSON.parse(Buffer.from(head, 'base64url').toString())
    const { sub, exp } = JSON.parse(Buffer.from(body, 'base64url').toString())
    // The last character has spare bits, so that several texts are one signature.
    const isSigned = createHmac('sha256', secret).update(`${head}.${body}`).digest().equals(Buffer.from(mac, 'base64url'))
    return more.length === 0 && alg === 'HS256' && isSigned && typeof sub === 'string' && (exp === undefined ? !needsExpiry : typeof exp === 'number' && exp * 1_000 > Date.now()) ? sub : null
  } catch {
    return null
  }
}

/** Subjects of all good tokens in a text. */
export function subjectsIn (text: string, secret: string, needsExpiry = true): string[] {
  return [...text.matchAll(/[\w-]{10,}\.[\w-]{10,}\.[\w-]+/g)].flatMap(([token]) => subjectOf(token, secret, needsExpiry) ?? [])
}

/** The subject that a first message proves. */
export function provenBy (first: string | null, secret: string): string | null {
  if (first === null || first.length > 8_192) return null
  try {
    const { type, token } = JSON.parse(first)
    return (type === 'auth' || type === 'jwt') && typeof token === 'string' ? subjectOf(token, secret) : null
  } catch {
    return null
  }
}

/** What is left of a request target when everything is gone that is kept out of logs. */
export function loggedPart (head: string): string {
  return decode(head.replace(/[?#&;](?:[^=&#;\s]*)=[^&#;\s]*/g, match => /^.(?:ticket|token|access_token|jwt)=/i.test(decode(match)) ? '' : match).replace(/\/\/[^/\s]*@/g, ''))
}

function decode (text: string): string {
  return text.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
}
