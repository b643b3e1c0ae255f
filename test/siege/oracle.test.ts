import t from 'tap'
import { forge } from '../attacks/jwts.js'
import { frame } from './client.js'
import { loggedPart, mayUpgrade, provenBy, readFrames, subjectOf, subjectsIn } from './oracle.js'
import { Play } from './play.js'
import { type Attempt, change, changeHead, type Session } from './session.js'
import { Stage } from './stage.js'

const secret = 'a secret for tests that is long enough'
const LINES = ['GET /both HTTP/1.1', 'Host: x', 'Connection: keep-alive, Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
const head = (...changes: Parameters<typeof changeHead>[1]): Buffer => Buffer.from(changeHead(LINES, changes), 'latin1')

t.test('what may be an upgrade', async t => {
  t.ok(mayUpgrade(head()))
  t.ok(mayUpgrade(Buffer.concat([Buffer.from('\r\n\r'), head()])), 'empty lines come first')
  t.ok(mayUpgrade(Buffer.from(head().toString().replaceAll('\r\n', '\n'))), 'a lone LF ends a line')
  t.ok(mayUpgrade(head({ do: 'case', line: 3 })))
  t.ok(mayUpgrade(head({ do: 'add', text: 'Content-Length: 0' })))
  for (const bad of [
    ...[0, 1, 2, 3, 4].flatMap(line => [head({ do: 'drop', line }), head({ do: 'value', line, value: '' })]), head({ do: 'double', line: 0 }), head({ do: 'method', text: 'POST' }), head({ do: 'version', text: 'HTTP/1.0' }), head({ do: 'target', text: '#x' }),
    ...['Transfer-Encoding: chunked', 'Content-Length: 5', 'no colon', ' folded', 'a b: c'].map(text => head({ do: 'add', text })), head().subarray(0, -1), Buffer.from('')
  ]) t.notOk(mayUpgrade(bad), JSON.stringify(bad.toString()))
})

t.test('how frames are read', async t => {
  const text = (value: string): Buffer => frame(0x81, Buffer.from(value))
  t.strictSame(readFrames(Buffer.concat([frame(0x89, Buffer.alloc(0)), frame(0x01, Buffer.from('a')), frame(0x8a, Buffer.alloc(0)), frame(0x80, Buffer.from('b')), text('c')])), { first: 'ab', isWhole: true })
  t.strictSame(readFrames(frame(0x82, Buffer.from('a'))), { first: '', isWhole: true })
  t.strictSame(readFrames(text('x'.repeat(200))), { first: 'x'.repeat(200), isWhole: true })
  t.match(readFrames(text('x'.repeat(70_000))), { isWhole: true })
  for (const bytes of [text('abc').subarray(0, -1), frame(0x01, Buffer.from('a')), frame(0x81, Buffer.from('a'), false), frame(0xc1, Buffer.alloc(0)), frame(0x83, Buffer.alloc(0)), frame(0x09, Buffer.alloc(0)), frame(0x80, Buffer.alloc(0)), frame(0x88, Buffer.alloc(0)), frame(0x81, Buffer.alloc(0), true, 65_536), Buffer.from([0x81]), Buffer.from([0x81, 0xfe]), Buffer.from([0x81, 0xff])]) {
    t.match(readFrames(bytes), { first: null, isWhole: false }, bytes.toString('hex'))
  }
})

t.test('whom a token, a text and a message prove', async t => {
  const exp = Math.floor(Date.now() / 1_000) + 60
  const token = forge({ alg: 'HS256' }, { sub: 'alice', exp }, 'HS256', secret)
  t.equal(subjectOf(token, secret), 'alice')
  const lasting = forge({ alg: 'HS256' }, { sub: 'alice' }, 'HS256', secret)
  t.equal(subjectOf(lasting, secret), null)
  t.equal(subjectOf(lasting, secret, false), 'alice')
  for (const bad of ['', 'a.b.c', `${token}.x`, forge({ alg: 'HS256' }, { sub: 'alice', exp }, 'HS256', 'x'), forge({ alg: 'none' }, { sub: 'alice', exp }, 'HS256', secret), forge({ alg: 'HS256' }, { sub: 'alice', exp: 1 }, 'HS256', secret), forge({ alg: 'HS256' }, { exp }, 'HS256', secret)]) t.equal(subjectOf(bad, secret), null, bad)
  t.strictSame(subjectsIn(`Authorization: Bearer ${token}\r\nx: ${token.slice(1)}`, secret), ['alice'])
  for (const type of ['auth', 'jwt']) t.equal(provenBy(JSON.stringify({ type, token }), secret), 'alice')
  for (const bad of [null, '{', JSON.stringify({ type: 'refresh', token }), JSON.stringify({ type: 'auth', token: [token] }), JSON.stringify({ type: 'auth', token, x: 'x'.repeat(9_000) })]) t.equal(provenBy(bad, secret), null)
})

t.test('what of a head may be in a log', async t => {
  for (const hidden of ['/both?ticket=SECRET', '/both?x=1&ticket=SECRET', '/both?%74icket=SECRET#x', '/both#TOKEN=SECRET', 'http://user:SECRET@host/both']) t.notMatch(loggedPart(`GET ${hidden} HTTP/1.1`), 'SECRET', hidden)
  for (const shown of ['/both/SECRET', '/both?other=SECRET', '/SECRET?ticket=x']) t.match(loggedPart(`GET ${shown} HTTP/1.1`), 'SECRET', shown)
})

t.test('bytes are changed as they were told', async t => {
  const abc = Buffer.from('abcdef')
  t.equal(change(abc, [{ do: 'set', at: 0, byte: 65 }]).toString(), 'Abcdef')
  t.equal(change(abc, [{ do: 'cut', at: 0.5, size: 2 }]).toString(), 'abcf')
  t.equal(change(abc, [{ do: 'insert', at: 1, text: 'x' }, { do: 'end', at: 0.25 }]).toString(), 'ab')
  t.equal(change(abc, [{ do: 'repeat', at: 0, size: 2 }]).toString(), 'ababcdef')
  t.match(changeHead(LINES, [{ do: 'swap', line: 0 }, { do: 'version', text: 'x' }]), /^GET \/both x\r\nConnection[^]*Host: x\r\n\r\n$/)
})

const good: Attempt = {
  step: 'attempt', route: '/both', ticket: 'good', carrier: 'subprotocol', token: 'good', head: [], bytes: [], early: false, split: null, frames: [{ send: 'auth', token: 'good', json: [], parts: 1, changes: [] }], ending: 'close'
}

t.test('a session is judged: a good server passes, and one that does wrong does not', async t => {
  const stage = await Stage.start(secret)
  t.teardown(() => stage.app.close())
  const play = async (...steps: Session['steps']): Promise<string | null> => await new Play(stage).run({ steps, together: false })
  const ways: Array<Partial<Attempt>> = [
    {}, { route: '/one', carrier: 'query' }, { route: '/one', carrier: 'cookie' }, { route: '/jwt' }, { route: '/jwt', carrier: 'query' }, { route: '/frame' }, { ticket: 'spent' }, { ticket: 'twice' }, { ticket: 'expired' }, { ticket: 'other audience' }, { ticket: 'revoked' }, { ticket: 'of another' }, { ticket: 'none' },
    { ending: 'fin' }, { ending: 'reset' }, { early: true, split: 0.5 }, { frames: [] }, { head: [{ do: 'version', text: 'HTTP/1.0' }] }, { bytes: [{ do: 'end', at: 0.5 }] }
  ]
  for (const way of ways) t.equal(await play({ ...good, ...way }), null, JSON.stringify(way))
  for (const how of ['disconnect', 'revoke', 'refuse'] as const) t.equal(await play({ step: 'order', how }, good), null, how)
  t.equal(await play({ step: 'post', token: 'good', body: '', type: '', head: [], bytes: [] }), null)

  let secretOf = ''
  const { issue } = stage.app.wsTickets
  t.intercept(stage.app.wsTickets, 'issue', {
    value: async (...given: Parameters<typeof issue>) => {
      const issued = await issue.apply(stage.app.wsTickets, given)
      secretOf = issued.ticket
      return issued
    }
  })
  const quiet = stage.quiet.bind(stage)
  const wrongs: Array<[act: () => void, found: RegExp]> = [
    [() => stage.handled.push({ path: '/both', subject: 'x' }), /a handler of \/both ran for x/],
    [() => stage.handled.push({ path: '/one', subject: stage.handled[0]?.subject ?? 'y' }), /a handler of \/one ran for y/],
    [() => stage.taken.push('x'), /an unknown ticket was redeemed/],
    [() => stage.log.push('{"level":50,"msg":"x"}'), /a line at level error/],
    [() => stage.log.push(`{"level":30,"msg":"${secretOf}"}`), /a secret is in the log/],
    [() => { stage.handled = [] }, /without a handler/]
  ]
  for (const [act, found] of wrongs) {
    const isLast = found.source.includes('without')
    t.intercept(stage, 'quiet', { value: async () => { act(); return await quiet() } })
    t.match(await play(isLast ? good : { ...good, ticket: 'none' }), found)
  }
  t.intercept(stage, 'quiet', { value: async () => 'a socket' })
  t.match(await play(good), /left when everybody had gone: a socket/)
})
