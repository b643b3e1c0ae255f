import t from 'tap'
import { toolsOf } from '../src/driver.js'
import { decodeFrame } from '../src/frames.js'
import { Gate } from '../src/gate.js'
import { examine } from '../src/index.js'
import { Notes } from '../src/notes.js'
import { parseOptions } from '../src/options.js'
import { lookalikes } from '../src/probes/origin.js'
import { Secrets } from '../src/secrets.js'
import { Visit } from '../src/visit.js'
import { claims } from './mutants.js'
import { BRIEF, closeFrame, frame, look, type Raw, rawServer, TICKET } from './raw.js'
import { startServer } from './server.js'
import { sign } from './tokens.js'

const token = sign(claims('alice'))

/** Lets in whoever shows anything, as often as `times` says, and refuses everybody after that. */
const forAWhile = (times: number, welcomes = times) => ({ accept, reply, count, socket }: Raw): void => {
  if (count >= times) return reply(401)
  accept(() => socket.write(count < welcomes ? frame('{"type":"auth_ok"}') : closeFrame(4401)))
}

t.test('what worked once, and then no more, is unknown', async t => {
  const used = await rawServer(t, { upgrade: forAWhile(1) })
  t.match(await look({ ...used, token }, 'used-ticket'), /^unknown: The ticket did not work the first time/)
  t.match(await look({ ...await rawServer(t, { upgrade: forAWhile(1) }), token }, 'early-frame'), /^unknown: The first door did not open/)
  t.match(await look({ ...await rawServer(t, { upgrade: forAWhile(1) }), token }, 'close-answer'), /^unknown: an honest upgrade was refused: HTTP 401/)
  t.match(await look({ ...await rawServer(t, { upgrade: forAWhile(9, 1) }), token }, 'auth-twice'), /^unknown: The JWT did not work the first time/)
  t.match(await look({ ...await rawServer(t, { upgrade: forAWhile(9, 1) }), token }, 'refresh'), /^unknown: an honest first frame was refused: closed with 4401/)
  t.match(await look({ ...await rawServer(t, { upgrade: forAWhile(1) }), token }, 'compression'), /^pass: an upgrade that offers compression is refused/)
  t.match(await look({ ...await rawServer(t, { upgrade: forAWhile(1) }), token, race: true }, 'ticket-race'), /^unknown: none of 50 got a 101/)
})

t.test('an honest client that is not let in', async t => {
  const { honest, findings } = await examine({ ...await rawServer(t, { upgrade: forAWhile(9, 0) }), token, only: ['refresh', 'payload-limit', 'drain'], drain: 1, patience: BRIEF, authTimeout: BRIEF })
  t.equal(honest, 'an honest first frame got no {"type":"auth_ok"}: closed with 4401')
  t.match(findings[0], { result: 'skipped', evidence: honest })
  const stranger = await rawServer(t, { upgrade: forAWhile(0), ticket: ({ reply }) => reply(403, '{"ticket":7}') })
  t.match(await look({ ...stranger, token }, 'early-frame'), /^skipped: an honest client does not get in: the ticket route answered HTTP 403, without a ticket/)
  const mute = await rawServer(t, { upgrade: ({ accept }) => accept() })
  t.match(await look({ ...mute, token }, 'refresh'), /skipped: an honest first frame got no .*: the connection is still open/)
})

t.test('refusals of odd forms', async t => {
  const rule = async (upgrade: (raw: Raw) => void, id: Parameters<typeof look>[1] = 'refusal-form') => await look({ url: (await rawServer(t, { upgrade })).url }, id)
  t.equal(await rule(({ reply }) => reply(401, '{"statusCode":401}')), 'fail: a 401 without WWW-Authenticate')
  t.equal(await rule(({ reply }) => reply(400, 'null')), 'fail: a body without statusCode')
  t.equal(await rule(({ reply }) => reply(400, '<html>')), 'fail: a body that is no JSON')
  t.match(await rule(({ reply }) => reply(401, 'null'), 'no-ticket'), /^pass: HTTP 401 : $/)
  t.match(await rule(({ socket }) => socket.destroy(), 'no-ticket'), /^pass: 1006, reason unknown/)
  t.match(await rule(({ socket }) => socket.write('HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'), 'no-ticket'), /^pass: HTTP 401/)
  t.match(await rule(({ socket }) => socket.end('nonsense\r\n\r\n'), 'no-ticket'), /^pass: 1006/)
  t.match(await rule(({ reply }) => reply(503, '', 'Retry-After: 1\r\n'), 'no-ticket'), /^pass: HTTP 503/)
  t.match(await rule(({ socket }) => {
    socket.write('HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\n')
    // In a packet of its own.
    setTimeout(() => socket.write('{}'), 20)
  }, 'no-ticket'), /^pass: HTTP 401/)
  const { findings } = await examine({ url: (await rawServer(t, { upgrade: ({ socket }) => socket.destroy() })).url, only: ['no-ticket', 'refusal-status'], patience: BRIEF })
  t.match(findings.map(({ result }) => result), ['pass', 'fail'])
})

t.test('connections after a refusal', async t => {
  const refusal = 'HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n'
  const look1 = async (next: (raw: Raw) => void) => await look({ url: (await rawServer(t, { upgrade: raw => raw.count === 0 ? raw.reply(401) : next(raw) })).url }, 'refusal-ends')
  const serving = ({ socket, head }: Raw): void => { socket.write(/^GET \/ /.test(head) ? 'HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n' : refusal) }
  t.match(await look1(serving), /^unknown: the connection goes on to serve requests/)
  t.match(await look1(({ socket, head }) => { if (/^GET \/ /.test(head)) socket.end(); else socket.write(refusal) }), /^pass: the connection ends after HTTP 401/)
  t.match(await look1(({ socket, head }) => { if (!/^GET \/ /.test(head)) socket.write(refusal) }), /^fail: the connection stays open after HTTP 401/)
})

t.test('what a proxy may have repaired is unknown', async t => {
  const { url } = await rawServer(t, {
    upgrade ({ head, accept, reply }) {
      const bad = head.startsWith('POST') || !/Upgrade: websocket/.test(head) || !/Key: \S{24}\r/.test(head) || !/Version: 13\r/.test(head) || /Content-Length/.test(head) || /Host: .*Host:/s.test(head)
      if (bad) reply(400)
      else accept()
    }
  })
  t.match(await look({ url }, 'bad-upgrade'), /^unknown: no Connection: 101/)
})

t.test('closes that are announced wrongly', async t => {
  const { url } = await rawServer(t, { upgrade: ({ accept, socket }) => accept(() => { socket.write(Buffer.concat([frame('{"type":"auth_error","code":4401,"reason":""}'), closeFrame(4400)])) }) })
  t.match(await look({ url, only: ['early-frame', 'auth-error'] }, 'auth-error'), /^fail: auth_error with 4401 before a close with 4400/)
  t.match(await look({ url }, 'auth-error'), /^unknown: no close was seen/)
  t.match(await look({ url }, 'close-codes'), /^unknown: no close was seen/)
  t.match(await look({ url }, 'refusal-status'), /^unknown: no refusal was seen/)
  t.match(await look({ url }, 'quiet'), /^unknown: the rule "silence" was not looked at/)
})

t.test('tickets of odd forms', async t => {
  const rule = async (id: Parameters<typeof look>[1], ticket: (raw: Raw) => void) =>
    await look({ ...await rawServer(t, { upgrade: forAWhile(9), ticket: raw => raw.count === 0 ? raw.reply(201, TICKET()) : ticket(raw) }), token }, id)
  t.equal(await rule('ticket-form', ({ reply }) => reply(401)), 'unknown: HTTP 401 without a ticket')
  t.equal(await rule('ticket-form', ({ reply }) => reply(201, TICKET({ ticket: 'short' }))), 'fail: a ticket of 5 characters, and not 43 of base64url')
  t.equal(await rule('ticket-form', ({ reply }) => reply(200, TICKET())), 'fail: HTTP 200, and not 201')
  for (const expiresIn of [0, 1.5, 901, '30']) t.match(await rule('ticket-form', ({ reply }) => reply(201, TICKET({ expiresIn }))), /^fail: expiresIn is /)
  t.equal(await rule('ticket-form', ({ reply }) => reply(201, TICKET({ protocol: 'x' }))), 'fail: protocol is not airlock.v1')
  t.match(await rule('ticket-elsewhere', ({ reply }) => reply(302, '', `Location: /ws?ticket=${'x'.repeat(43)}\r\n`)), /^fail: HTTP 302 with a Location that holds/)
  t.equal(await rule('ticket-elsewhere', ({ reply }) => reply(302, '', 'Location: /login\r\n')), 'unknown: HTTP 302 without a ticket')
  t.equal(await rule('ticket-elsewhere', ({ reply }) => reply(401)), 'unknown: HTTP 401 without a ticket')
  t.match(await rule('ticket-elsewhere', ({ reply }) => reply(201, TICKET(), 'Content-Type: text/html\r\n')), /^fail: the type of the body is text\/html/)
  t.match(await rule('ticket-elsewhere', ({ reply }) => reply(201, TICKET())), /^fail: the type of the body is missing/)
  t.match(await rule('ticket-cors', ({ reply }) => reply(204, '', 'Access-Control-Allow-Origin: null\r\n')), /^fail: POST from .*: null/)
  t.match(await rule('ticket-no-store', ({ reply }) => reply(201, TICKET())), /^fail: HTTP 201: no Cache-Control/)
  t.match(await rule('ticket-method', ({ reply, head }) => reply(head.startsWith('HEAD') ? 201 : 404)), /^fail: HEAD: HTTP 201/)
})

t.test('"too many" is waited out, as long as it says', async t => {
  const waits: number[] = []
  const ticket = (times: number) => ({ reply, count }: Raw): void => count < times ? reply(429, '{}', count === 0 ? 'Retry-After: 7\r\n' : 'Retry-After: tomorrow\r\n') : reply(201, TICKET())
  const sleep = async (ms: number): Promise<void> => { waits.push(ms) }
  t.match(await look({ ...await rawServer(t, { upgrade: forAWhile(99), ticket: ticket(2) }), token }, 'refresh-flood', sleep), /^pass|^unknown/)
  t.same(waits, [7_000, 1_000])
  const { honest, sent, plan } = await examine({ ...await rawServer(t, { upgrade: forAWhile(99), ticket: ticket(99) }), token, only: ['refresh'], patience: BRIEF }, { sleep })
  t.match(honest, /the ticket route answered HTTP 429/)
  t.ok(sent <= plan.requests)
})

t.test('a server that says nothing to a refresh', async t => {
  const { url, ticketUrl } = await rawServer(t, { upgrade: ({ accept, socket }) => accept(bytes => { if (bytes[0] === 0x81 && bytes.length > 6) socket.write(frame('{"type":"auth_ok"}')) }) })
  t.match(await look({ url, ticketUrl, token }, 'refresh-flood'), /^unknown: no answer to refresh 1/)
  t.match(await look({ url, ticketUrl, token }, 'refresh'), /^fail: a refresh with a good JWT: the connection is still open/)
  t.match(await look({ url, ticketUrl, token, refreshMessage: false }, 'refresh'), /^skipped: --no-refresh/)
  t.match(await look({ url, ticketUrl, token, shortToken: 'opaque', grace: 0 }, 'expiry'), /^fail: still open/)
})

t.test('an application that does not answer', async t => {
  const { url, ticketUrl } = await startServer(t)
  for (const rule of ['early-dropped', 'early-order'] as const) {
    t.match(await look({ url, ticketUrl, token, echo: 'nothing %NONCE%', patience: 500 }, rule), /^skipped: /)
  }
})

t.test('other carriers', async t => {
  const { url, ticketUrl } = await startServer(t)
  const skip = ['silence', 'quiet', 'expired-ticket', 'ticket-race'] as const
  for (const [carrier, more] of [['query', {}], ['query', { subprotocol: false }], ['cookie', {}], ['query', { url: `${url}?room=7` }]] as const) {
    const { findings } = await examine({ url, ticketUrl, token, secondToken: sign(claims('bob')), carrier, skip, rate: 100_000, patience: 120_000, ...more })
    t.same(findings.filter(({ result }) => result === 'fail' || result === 'unknown').map(({ rule, evidence }) => `${rule.id}: ${evidence}`), [], `${carrier} ${JSON.stringify(more)}`)
  }
})

t.test('a JWT in the header, and none in the first frame', async t => {
  const bearer = /Authorization: Bearer (\S+)/
  const { url } = await rawServer(t, {
    upgrade: ({ accept, reply, head, socket }) => bearer.exec(head)?.[1] === token && /^GET .* HTTP\/1.1/.test(head) ? accept(() => { socket.end(closeFrame(1009)) }) : reply(401)
  })
  const options = { url, token, carrier: 'header', firstFrame: false, subprotocol: false, dialect: 'any', patience: 120_000, rate: 100_000 } as const
  const { findings, honest } = await examine({ ...options, only: ['no-ticket', 'forged-jwt', 'alg-none', 'unsigned-jwt', 'embedded-key', 'jwt-in-url', 'silence', 'used-ticket', 'payload-limit'] })
  t.equal(honest, null)
  t.same(findings.map(({ rule, result }) => `${rule.id}: ${result}`), [
    'no-ticket: pass', 'jwt-in-url: pass', 'used-ticket: skipped', 'silence: skipped', 'forged-jwt: pass', 'alg-none: pass', 'unsigned-jwt: pass', 'embedded-key: pass', 'payload-limit: pass'
  ])
  const open = await rawServer(t, { upgrade: ({ accept }) => accept() })
  t.match(await look({ ...options, ...{ url: open.url } }, 'forged-jwt'), /^fail: changed claims: 101/)
  t.match(await look({ ...options, ...open }, 'forged-jwt'), /^skipped: no JWT is shown to this server/)
})

t.test('a first frame alone, and a cookie for the ticket route', async t => {
  const { url } = await rawServer(t, { upgrade: ({ accept, socket }) => accept(() => { socket.write(frame('{"type":"auth_ok"}')) }) })
  t.match(await look({ url, token, carrier: 'none' }, 'no-ticket'), /^skipped: --carrier none/)
  t.match(await look({ url, token, carrier: 'none' }, 'wrong-origin'), /^fail: 101/)
  const cookies = await rawServer(t, { upgrade: forAWhile(9), ticket: ({ head, reply }) => /\r\ncookie: session=secret-of-alice/i.test(head) ? reply(201, TICKET()) : reply(401) })
  t.match(await look({ ...cookies, cookie: 'session=secret-of-alice' }, 'ticket-login'), /^pass: no ticket for no login/)
})

t.test('a JWT that is signed without a secret', async t => {
  const { url } = await rawServer(t, { upgrade: ({ accept }) => accept() })
  t.match(await look({ url, token: sign(claims('alice'), null) }, 'weak-secret'), /^skipped: the JWT is not signed with a secret/)
  t.match(await look({ url, token: 'opaque' }, 'weak-secret'), /^skipped: AIRLOCK_TOKEN is no JWT/)
  t.match(await look({ url, token: 'e30.bad.x' }, 'weak-secret'), /^skipped: AIRLOCK_TOKEN is no JWT/)
  t.match(await look({ url, token: `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.!.x`, firstFrame: false }, 'jwt-claims'), /^fail: a JWT without exp and sub/)
})

t.test('no probe sends more than it may', async t => {
  const allowance = new Gate(100_000).allow(1)
  await allowance.take()
  await t.rejects(allowance.take(), { code: 'WSA_DOCTOR_ERR_BUDGET' })
})

t.test('the rate is kept', async t => {
  const gate = new Gate(100)
  const begun = performance.now()
  const allowance = gate.allow(4)
  for (let count = 0; count < 4; count++) await allowance.take()
  t.ok(performance.now() - begun >= 25)
  t.equal(gate.sent, 4)
})

t.test('a socket that was refused takes what it is given', async t => {
  const { url } = await rawServer(t, { upgrade: ({ reply }) => reply(401) })
  const settings = parseOptions({ url, patience: 120_000 })
  const gate = new Gate(100_000)
  const visit = new Visit({ settings, secrets: new Secrets(), notes: new Notes(), reserve: gate.allow(0), sleep: async () => {}, canBeLetIn: false, onDrain () {} }, gate.allow(2))
  const socket = toolsOf(visit).open({ ticket: 'x' })
  socket.send('text')
  t.equal(await socket.welcomed, false)
  t.match(await socket.ended, { kind: 'refused' })
  socket.close()
  const gone = toolsOf(visit).open({})
  t.equal(await gone.opened, false)
  const over = toolsOf(visit).open({})
  over.send('text')
  over.close()
  await t.rejects(over.ended, { code: 'WSA_DOCTOR_ERR_BUDGET' })
})

t.test('frames that are not complete are waited for', async t => {
  for (const size of [0, 100, 200, 70_000]) {
    const bytes = frame(Buffer.alloc(size, 7), 2)
    for (let length = 0; length < Math.min(bytes.length, 12); length++) t.equal(decodeFrame(bytes.subarray(0, length)), null)
    t.match(decodeFrame(Buffer.concat([bytes, bytes])), { opcode: 2, final: true, size: bytes.length, payload: Buffer.alloc(size, 7) })
  }
})

t.test('where connections go', async t => {
  const endpoint = (url: string, connectTo?: string) => {
    const gate = new Gate(1)
    const settings = parseOptions({ url, connectTo })
    return new Visit({ settings, secrets: new Secrets(), notes: new Notes(), reserve: gate.allow(0), sleep: async () => {}, canBeLetIn: false, onDrain () {} }, gate.allow(0)).endpoint(settings.url)
  }
  t.match(endpoint('ws://x/ws'), { host: 'x', port: 80, tlsName: null })
  t.match(endpoint('wss://x/ws'), { host: 'x', port: 443, tlsName: 'x' })
  t.match(endpoint('wss://[::1]:7/ws'), { host: '::1', port: 7, tlsName: '::1' })
  t.match(endpoint('wss://x/ws', '10.0.0.1:3000'), { host: '10.0.0.1', port: 3000, tlsName: 'x' })
})

t.test('origins that look right', async t => {
  t.ok(lookalikes('http://localhost:9').includes('http://localhost:19'))
  t.ok(lookalikes('https://app.example.com').includes('https://app.example.com:9'))
})

t.test('what looks like a credential is not repeated', async t => {
  const secrets = new Secrets()
  secrets.add('short', 'no secret')
  secrets.add('a long secret', 'jwt')
  t.equal(secrets.redact(`short, a long secret, ${token}, ${'x'.repeat(43)}`), 'short, <jwt>, <jwt>, <ticket>')
})

t.test('options that are wrong', async t => {
  for (const [options, message] of [
    [{ url: 'http://x/ws' }, 'url: must be a URL with ws:// or wss://, without a user or a password'],
    [{ url: 'ws://user:password@x/ws' }, 'url: must be a URL with ws:// or wss://, without a user or a password'],
    [{ url: 'ws://x/ws', only: ['nothing'] }, 'only.0: there is no rule nothing: see --list'],
    [{ url: 'ws://x/ws', rate: 0, patience: -1 }, 'rate: must be above 0; patience: must not be negative'],
    [{ url: 'ws://x/ws', authMessage: '{}' }, 'authMessage: must contain %TOKEN%'],
    [{ url: 'ws://x/ws', connectTo: 'x' }, 'connectTo: must be host:port']
  ] as const) {
    await t.rejects(async () => await examine({ ...options } as never), { code: 'WSA_DOCTOR_ERR_USAGE', message })
  }
})
