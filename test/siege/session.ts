import fc from 'fast-check'

/** A change of some bytes; positions are shares of their length, from 0 to 1. */
export type ByteChange =
  { do: 'set', at: number, byte: number } | { do: 'cut', at: number, size: number } | { do: 'insert', at: number, text: string } |
  { do: 'repeat', at: number, size: number } | { do: 'end', at: number }

/** A change of the lines of a request head. */
export type HeadChange =
  { do: 'drop', line: number } | { do: 'double', line: number } | { do: 'swap', line: number } | { do: 'case', line: number } |
  { do: 'value', line: number, value: string } | { do: 'add', text: string } | { do: 'method', text: string } | { do: 'version', text: string } | { do: 'target', text: string }

export type TicketMove = 'good' | 'none' | 'spent' | 'twice' | 'other audience' | 'expired' | 'revoked' | 'of another' | ByteChange[]
export type TokenMove = 'good' | 'of another' | 'expired' | 'no algorithm' | 'other key' | 'no exp' | 'no sub' | ByteChange[]

/** Something that a client sends after the 101. */
export type FrameMove =
  { send: 'auth' | 'jwt' | 'refresh', token: TokenMove, json: ByteChange[] } | { send: 'text', text: string } |
  { send: 'frame', first: number, masked: boolean, size: number, length: number | null }

export interface Framing { parts: number, changes: ByteChange[] }

export interface Attempt {
  step: 'attempt'
  route: '/both' | '/one' | '/jwt' | '/frame'
  ticket: TicketMove
  carrier: 'query' | 'subprotocol' | 'cookie'
  /** The credential of `/jwt`. */
  token: TokenMove
  head: HeadChange[]
  bytes: ByteChange[]
  /** Whether frames follow before the answer. */
  early: boolean
  /** Where the head is cut into two packets. */
  split: number | null
  frames: Array<FrameMove & Framing>
  ending: 'close' | 'fin' | 'reset'
}

/** A request for a ticket. */
export interface Post { step: 'post', token: TokenMove, body: string, type: string, head: HeadChange[], bytes: ByteChange[] }

/** An order: the user is logged out. */
export interface Order { step: 'order', how: 'disconnect' | 'revoke' | 'refuse' }

export type Step = Attempt | Post | Order

/** What one client does, one thing after the other or all at once. */
export interface Session { steps: Step[], together: boolean }

const share = fc.double({ min: 0, max: 1, noNaN: true, noDefaultInfinity: true })
const byte = fc.oneof(fc.constantFrom(0, 9, 10, 13, 32, 34, 35, 37, 44, 46, 47, 58, 59, 61, 63, 64, 92, 127, 128, 255), fc.nat(255))
const junk = fc.oneof(
  fc.constantFrom('\r\n', '\n', '\r', '\0', ' ', '\t', '\r\n\r\n', ': ', ',', ';', '=', '"', '%00', '%23', '#', '?', '&', '..', '//', '\u00ff', 'ticket=', 'ticket.', 'bearer.', 'HTTP/1.1', 'Upgrade: websocket\r\n', 'Host: x\r\n', '\r\n folded'),
  fc.string({ maxLength: 12, unit: 'binary' }), fc.string({ minLength: 200, maxLength: 300 })
)
const byteChange: fc.Arbitrary<ByteChange> = fc.oneof(
  fc.record({ do: fc.constant('set' as const), at: share, byte }),
  fc.record({ do: fc.constant('cut' as const), at: share, size: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ do: fc.constant('insert' as const), at: share, text: junk }),
  fc.record({ do: fc.constant('repeat' as const), at: share, size: fc.integer({ min: 1, max: 60 }) }),
  fc.record({ do: fc.constant('end' as const), at: share })
)
/** Mostly none, so that a session that is strange in one place gets far in the others. */
const few = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.oneof({ weight: 6, arbitrary: fc.constant<T[]>([]) }, { weight: 3, arbitrary: fc.array(one, { minLength: 1, maxLength: 1 }) }, { weight: 1, arbitrary: fc.array(one, { minLength: 1, maxLength: 4 }) })

const line = fc.nat(12)
const value = fc.oneof(
  fc.constantFrom('', ' ', 'websocket', 'Upgrade', 'keep-alive, Upgrade', 'close', 'h2c', 'WebSocket', 'websocket, h2c', '13', '8', '0', '13, 8', '1e1', 'AAAA', 'dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ', 'http://evil.example', 'null', '*', 'localhost', 'x', 'a b', 'airlock.v1', 'airlock.v1, airlock.v1', ', ,', 'ticket.', 'Bearer', 'Basic eDp5', '[::1]', 'x'.repeat(5_000)),
  fc.string({ maxLength: 30 })
)
const added = fc.constantFrom(
  'Transfer-Encoding: chunked', 'Transfer-Encoding: xchunked', 'Content-Length: 5', 'Content-Length: 0', 'Content-Length: -1', 'Content-Length: 5, 5', 'Host: evil.example', 'Origin: http://evil.example', 'Origin: null', 'Authorization: Bearer x', 'Authorization: Basic eDp5', 'Cookie: a', 'Cookie: ticket=', 'Cookie: ticket',
  'Sec-WebSocket-Extensions: permessage-deflate', 'Sec-WebSocket-Extensions: ;;', 'Sec-WebSocket-Protocol: x', 'Sec-WebSocket-Protocol: ticket.x', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version: 8', 'Expect: 100-continue', 'Expect: x', 'Trailer: x', 'TE: trailers', 'Forwarded: for=x', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https',
  ' folded', 'no colon', ': no name', 'a b: c', 'X\0: y', 'X : y', '__proto__: x', 'constructor: x', `X: ${'y'.repeat(9_000)}`, 'Upgrade: h2c', 'Connection: close', 'HTTP2-Settings: AAMAAABkAAQAAP__', 'Proxy-Connection: x'
)
const headChange: fc.Arbitrary<HeadChange> = fc.oneof(
  fc.record({ do: fc.constantFrom('drop' as const, 'double' as const, 'swap' as const, 'case' as const), line }),
  fc.record({ do: fc.constant('value' as const), line, value }),
  fc.record({ do: fc.constant('add' as const), text: added }),
  fc.record({ do: fc.constant('method' as const), text: fc.constantFrom('POST', 'HEAD', 'PUT', 'get', 'OPTIONS', 'CONNECT', 'PRI', 'TRACE', 'M-SEARCH', 'G\0T', 'QUERY') }),
  fc.record({ do: fc.constant('version' as const), text: fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/11', 'http/1.1', '', 'HTTP/1.1 ', 'RTSP/1.0') }),
  fc.record({ do: fc.constant('target' as const), text: fc.constantFrom('#', '#x', '&ticket=x', '&ticket', '&TICKET=x', '&x=%00', '&x=%zz', '&x=%', '&token=x', ';x', '&', '/..', '%2f..', '?', '??', '&ticket[$ne]=x', '\t', '\u00e9', `&x=${'y'.repeat(4_000)}`, '&__proto__=x') })
)

const changes = fc.array(byteChange, { minLength: 1, maxLength: 3 })
const ticket: fc.Arbitrary<TicketMove> = fc.oneof(
  { weight: 8, arbitrary: fc.constant('good' as const) }, { weight: 4, arbitrary: fc.constantFrom('none' as const, 'spent' as const, 'twice' as const, 'other audience' as const, 'expired' as const, 'revoked' as const, 'of another' as const) }, { weight: 3, arbitrary: changes }
)
const token: fc.Arbitrary<TokenMove> = fc.oneof(
  { weight: 8, arbitrary: fc.constant('good' as const) }, { weight: 4, arbitrary: fc.constantFrom('of another' as const, 'expired' as const, 'no algorithm' as const, 'other key' as const, 'no exp' as const, 'no sub' as const) }, { weight: 3, arbitrary: changes }
)
const text = fc.oneof(
  fc.constantFrom('', '{}', '[]', 'null', '"x"', '{"type":"auth"}', '{"type":"auth","token":1}', '{"type":"auth","token":""}', '{"type":"refresh"}', '{"type":"auth_ok"}', '{"__proto__":{"type":"auth"}}', '{"type":["auth"],"token":"x"}', `{"type":"auth","token":"${'x'.repeat(9_000)}"}`, 'x'.repeat(70_000), '['.repeat(2_000)),
  fc.string({ maxLength: 40 })
)
const move: fc.Arbitrary<FrameMove> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ send: fc.constantFrom('auth' as const, 'auth' as const, 'jwt' as const, 'refresh' as const), token, json: few(byteChange) }) },
  { weight: 3, arbitrary: fc.record({ send: fc.constant('text' as const), text }) },
  { weight: 3, arbitrary: fc.record({ send: fc.constant('frame' as const), first: fc.nat(255), masked: fc.boolean(), size: fc.constantFrom(0, 1, 2, 5, 124, 125), length: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constantFrom(0, 126, 65_536, 65_537, 2 ** 31, 2 ** 53) }) }) }
)
const framing = fc.record({ parts: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 5 }) }), changes: fc.oneof({ weight: 8, arbitrary: fc.constant<ByteChange[]>([]) }, { weight: 1, arbitrary: changes }) })
const frame = fc.tuple(move, framing).map(([move, framing]) => ({ ...move, ...framing }))
/** Begins as a good client does, more often than not. */
const frames = fc.oneof(
  { weight: 3, arbitrary: fc.array(frame, { maxLength: 5 }).map(rest => [{ send: 'auth' as const, token: 'good' as const, json: [], parts: 1, changes: [] }, ...rest]) },
  { weight: 2, arbitrary: fc.array(frame, { maxLength: 5 }) }
)

const attempt: fc.Arbitrary<Attempt> = fc.record({
  step: fc.constant('attempt' as const),
  route: fc.constantFrom('/both' as const, '/both' as const, '/one' as const, '/jwt' as const, '/frame' as const),
  ticket,
  carrier: fc.constantFrom('query' as const, 'subprotocol' as const, 'cookie' as const),
  token,
  head: few(headChange),
  bytes: fc.oneof({ weight: 5, arbitrary: fc.constant<ByteChange[]>([]) }, { weight: 1, arbitrary: changes }),
  early: fc.boolean(),
  split: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: share }),
  frames,
  ending: fc.constantFrom('close' as const, 'fin' as const, 'reset' as const)
})
const post: fc.Arbitrary<Post> = fc.record({
  step: fc.constant('post' as const),
  token,
  body: fc.oneof({ weight: 2, arbitrary: fc.constant('') }, { weight: 2, arbitrary: fc.constantFrom('{}', '{"audience":"websocket"}', '{"audience":"x"}', '{"audience":1}', '[]', 'null', '{', '{"__proto__":{"audience":"x"}}', 'x'.repeat(1_025)) }, { weight: 1, arbitrary: fc.string({ maxLength: 30 }) }),
  type: fc.constantFrom('application/json', 'text/plain', 'application/x-www-form-urlencoded', '', 'x', 'application/json; charset=utf-16'),
  head: few(headChange),
  bytes: few(byteChange)
})
const order: fc.Arbitrary<Order> = fc.record({ step: fc.constant('order' as const), how: fc.constantFrom('disconnect' as const, 'revoke' as const, 'refuse' as const) })

/** Sessions of all kinds. */
export const session: fc.Arbitrary<Session> = fc.record({
  steps: fc.oneof(
    { weight: 5, arbitrary: attempt.map(step => [step as Step]) },
    { weight: 1, arbitrary: post.map(step => [step as Step]) },
    { weight: 2, arbitrary: fc.array(fc.oneof({ weight: 6, arbitrary: attempt as fc.Arbitrary<Step> }, { weight: 2, arbitrary: post as fc.Arbitrary<Step> }, { weight: 2, arbitrary: order as fc.Arbitrary<Step> }), { minLength: 2, maxLength: 4 }) }
  ),
  together: fc.boolean()
})

/** Applies changes to bytes. */
export function change (bytes: Buffer, changes: readonly ByteChange[]): Buffer {
  let result = bytes
  for (const one of changes) {
    const at = Math.min(result.length, Math.floor(one.at * (result.length + 1)))
    const [before, after] = [result.subarray(0, at), result.subarray(at)]
    if (one.do === 'set') result = Buffer.concat([before, Buffer.from([one.byte]), after.subarray(1)])
    else if (one.do === 'cut') result = Buffer.concat([before, after.subarray(one.size)])
    else if (one.do === 'insert') result = Buffer.concat([before, Buffer.from(one.text, 'latin1'), after])
    else if (one.do === 'repeat') result = Buffer.concat([before, after.subarray(0, one.size), after])
    else result = before
  }
  return result
}

/** Applies changes to the lines of a head. */
export function changeHead (lines: readonly string[], changes: readonly HeadChange[]): string {
  const result = [...lines]
  for (const one of changes) {
    const [method = '', target = '', version = ''] = (result[0] ?? '').split(' ')
    if (one.do === 'method') result[0] = `${one.text} ${target} ${version}`
    else if (one.do === 'version') result[0] = `${method} ${target} ${one.text}`
    else if (one.do === 'target') result[0] = `${method} ${target}${one.text} ${version}`
    else if (one.do === 'add') result.push(one.text)
    else {
      const at = 1 + one.line % Math.max(1, result.length - 1)
      const [name = '', value = ''] = (result[at] ?? '').split(/: ?(.*)/s)
      if (one.do === 'drop') result.splice(at, 1)
      else if (one.do === 'double') result.splice(at, 0, result[at] ?? '')
      else if (one.do === 'swap') result.push(...result.splice(at, 1))
      else if (one.do === 'case') result[at] = `${name.toUpperCase()}: ${value}`
      else result[at] = `${name}: ${one.value}`
    }
  }
  return `${result.join('\r\n')}\r\n\r\n`
}
