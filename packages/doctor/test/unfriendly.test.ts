import t from 'tap'
import { setTimeout as pause } from 'node:timers/promises'
import { examine } from '../src/index.js'
import { parseOptions } from '../src/options.js'
import { Secrets } from '../src/secrets.js'
import { lookalikes } from '../src/probes/origin.js'
import { claims } from './mutants.js'
import { BRIEF, closeFrame, frame, look, type Raw, rawServer, TICKET } from './raw.js'
import { startServer } from './server.js'
import { seconds, sign } from './tokens.js'

const token = sign(claims('alice'))
const PATIENT = { patience: 120_000, authTimeout: 120_000 }

t.test('an answer that decides nothing is not taken for a locked door', async t => {
  for (const status of [429, 502, 503, 504]) {
    const { url } = await rawServer(t, { upgrade: ({ reply }) => reply(status, '', 'Retry-After: 1\r\n') })
    t.match(await look({ url, ...PATIENT }, 'no-ticket'), new RegExp(`^unknown: HTTP ${status}: that is no decision`))
  }
  const silent = await rawServer(t, { upgrade: () => {} })
  t.match(await look({ url: silent.url }, 'no-ticket'), /^unknown: no answer: that is no decision/)
  const busy = await rawServer(t, { upgrade: ({ accept }) => accept(), ticket: ({ reply, head }) => reply(head.startsWith('POST') ? 201 : 502, head.startsWith('POST') ? TICKET() : '') })
  t.match(await look({ ...busy, token, ...PATIENT, firstFrame: false }, 'ticket-method'), /^unknown: HTTP 502/)
})

t.test('a server that fails in the middle, or bans the doctor, does not look locked', async t => {
  const failing = ({ accept, count, socket }: Raw): void => {
    if (count < 1) accept()
    else socket.resetAndDestroy()
  }
  const { honest, findings } = await examine({ url: (await rawServer(t, { upgrade: failing })).url, only: ['foreign-origin'], firstFrame: false, ...PATIENT, rate: 100_000 })
  t.equal(findings.length, 1)
  t.match(honest, /^an honest client got in at first, and no more at the end \(.*no answer\): what looks locked may be/)
  const stranger = await examine({ url: (await rawServer(t, { upgrade: failing })).url, only: ['foreign-origin'], ...PATIENT, rate: 100_000 })
  t.match(stranger.honest, /^an honest client got in at first/)
  const well = await examine({ url: (await rawServer(t, { upgrade: ({ accept }) => accept() })).url, only: ['foreign-origin'], ...PATIENT, rate: 100_000 })
  t.equal(well.honest, 'AIRLOCK_TOKEN is not set')
  const changing = ({ accept, count, socket }: Raw): void => accept(() => { socket.write(count < 1 ? frame('{"type":"auth_ok"}') : closeFrame(4401)) })
  t.match((await examine({ url: (await rawServer(t, { upgrade: changing })).url, token, only: ['foreign-origin'], ...PATIENT, rate: 100_000 })).honest, /no more at the end \(an honest first frame got no/)
})

t.test('what has no end is cut', async t => {
  const flood = (start: string | Buffer) => ({ socket }: Raw): void => {
    const chunk = Buffer.alloc(65_536, 'x')
    const more = (): void => { while (!socket.destroyed && socket.write(chunk)); }
    socket.on('drain', more)
    socket.write(start)
    more()
  }
  const url = async (upgrade: (raw: Raw) => void) => ({ ...await rawServer(t, { upgrade, ticket: upgrade }), ...PATIENT })
  t.match(await look(await url(flood('HTTP/1.1 200 OK\r\nX: ')), 'no-ticket'), /^unknown: an answer without an end/, 'a head')
  t.match(await look(await url(flood('HTTP/1.1 401 No\r\nContent-Length: 99999999999\r\n\r\n')), 'no-ticket'), /^pass: HTTP 401/, 'a body')
  t.match(await look({ ...await url(flood('HTTP/1.1 201 Created\r\nContent-Length: 99999999999\r\n\r\n')), token }, 'ticket-login'), /^unknown: a body of more than 4194304 bytes/, 'a body of the ticket route')
  const length = Buffer.from([0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0])
  const frames = await url(({ accept, ...raw }) => { accept(); flood(length)({ accept, ...raw }) })
  t.match(await look(frames, 'close-answer'), /^fail: a close frame gets no answer: the connection was cut/, 'a frame')
})

t.test('an answer behind an early one', async t => {
  const { url } = await rawServer(t, { upgrade: ({ accept, socket }) => { socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'); accept() } })
  t.match(await look({ url, ...PATIENT }, 'no-ticket'), /^fail: 101/)
})

t.test('a server that says "come back tomorrow" is not waited for', async t => {
  const { honest } = await examine({ ...await rawServer(t, { upgrade: ({ accept }) => accept(), ticket: ({ reply }) => reply(429, '{}', 'Retry-After: 86400\r\n') }), token, only: ['refresh'], ...PATIENT })
  t.match(honest, /HTTP 429, and asks to come back in 86400 s/)
})

t.test('nothing that a server says reaches the terminal as it is', async t => {
  const secret = 'opaque-session-of-alice'
  const body = JSON.stringify({ statusCode: 401, code: '\u001b[2J\u001b]0;x\u0007', message: `a\nok 99 \u202e\u2028${'y'.repeat(5_000)}` })
  const { url } = await rawServer(t, { upgrade: ({ reply }) => reply(401, body) })
  const { findings, honest } = await examine({ url, only: ['no-ticket'], rate: 100_000, ...PATIENT })
  t.match(findings[0]?.evidence, /^HTTP 401 {2}\[2J \]0;x : a ok 99 {2}y{900,}…$/)
  t.notMatch(`${honest} ${String(findings[0]?.evidence)}`, /[\p{Cc}\p{Cf}]/u)
  const repeating = await rawServer(t, { upgrade: ({ accept, socket }) => accept(() => { socket.write(frame(`${'x'.repeat(90)}${secret}`)) }) })
  t.match(await look({ ...repeating, ...PATIENT, cookie: `a=b; session=${secret}` }, 'early-frame'), /^fail: the application answered: x{90}<cookie>$/)
})

t.test('the URL in a report has no token', async t => {
  const { port } = await startServer(t)
  const { url } = await examine({ url: `ws://127.0.0.1:${port}/ws?access_token=${token}`, only: ['no-ticket'], rate: 100_000, ...PATIENT })
  t.match(url, /access_token=<jwt>$/)
  t.equal(new Secrets().clean('\u0000'), ' ')
})

t.test('no race against another machine behind a local name', async t => {
  t.equal(parseOptions({ url: 'ws://localhost/ws' }).race, true)
  t.equal(parseOptions({ url: 'ws://localhost/ws', connectTo: '127.0.0.1:3000' }).race, true)
  t.equal(parseOptions({ url: 'ws://localhost/ws', connectTo: '[::1]:3000' }).race, true)
  t.equal(parseOptions({ url: 'ws://localhost/ws', connectTo: '10.0.0.1:3000' }).race, false)
  t.equal(parseOptions({ url: 'ws://app.example.com/ws', connectTo: '127.0.0.1:3000' }).race, false)
})

t.test('origins of names and addresses, with a port and without one', async t => {
  for (const origin of ['https://app.example.com', 'http://app.example.com:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000', 'http://localhost:9']) {
    const { host } = new URL(origin)
    const tried = lookalikes(origin)
    t.ok(tried.length <= 7, 'as many as the rule may send')
    const real = tried.filter(text => URL.canParse(text) && new URL(text).origin === text)
    t.notOk(real.includes(origin))
    // No name ends in an address.
    t.ok(/\d\.\d|\[/.test(origin) || real.some(text => new URL(text).host.endsWith(host)), `${origin}: an end`)
  }
  t.ok(lookalikes('http://app.example.com:3000').includes('http://appxexample.com:3000'))
})

t.test('a route that reads one carrier has no second credential', async t => {
  for (const [carrier, evidence] of [['subprotocol', 'the query'], ['query', 'a cookie']] as const) {
    const reads = carrier === 'subprotocol' ? /Protocol: airlock\.v1, ticket\.\S{43}\r/ : /GET \/ws\?ticket=/
    const server = await rawServer(t, { upgrade: ({ head, accept, reply, socket }) => reads.test(head) ? accept(() => { socket.write(frame('{"type":"auth_ok"}')) }) : reply(401) })
    t.match(await look({ ...server, token, carrier, ...PATIENT }, 'two-credentials'), new RegExp(`^skipped: the route reads no ticket in ${evidence}`))
  }
  const query = await rawServer(t, { upgrade: ({ head, accept, reply, socket }) => /GET \/ws\?ticket=[^&]{43} /.test(head) ? accept(() => { socket.write(frame('{"type":"auth_ok"}')) }) : reply(401) })
  t.match(await look({ ...query, token, carrier: 'query', ...PATIENT }, 'several-credentials'), /^pass: .*the route reads no ticket in a cookie$/)
  const { url, ticketUrl } = await startServer(t, { ajar: { oneCarrier: true } })
  t.match(await look({ url, ticketUrl, token, ...PATIENT }, 'spends-nothing'), /^pass/)
})

t.test('a carrier of another name', async t => {
  const one = /Protocol: x, tok\.\S{43}\r/
  const both = await rawServer(t, { upgrade: ({ head, accept, reply, socket }) => /tok\./.test(head) ? accept(() => { socket.write(frame('{"type":"auth_ok"}')) }) : reply(401) })
  const options = { token, carrierName: 'tok.', subprotocol: 'x', dialect: 'any', ...PATIENT } as const
  t.match(await look({ ...both, ...options }, 'several-credentials'), /^fail: two values of the subprotocol: 101/)
  const strict = await rawServer(t, { upgrade: ({ head, accept, reply, socket }) => one.test(head) ? accept(() => { socket.write(frame('{"type":"auth_ok"}')) }) : reply(401) })
  t.match(await look({ ...strict, ...options }, 'several-credentials'), /^pass/)
  t.match(await look({ ...strict, ...options }, 'spends-nothing'), /^pass/)
  const plain = await rawServer(t, { upgrade: ({ accept }) => accept() })
  t.match(await look({ ...plain, token, carrier: 'none', firstFrame: false }, 'forged-jwt'), /^skipped: no JWT is shown to this server/)
})

t.test('a ticket without letters cannot be altered in their case', async t => {
  const only = '1'.repeat(43)
  const { url, ticketUrl } = await rawServer(t, {
    upgrade: ({ head, accept, reply, socket }) => head.includes(`ticket.${only}\r`) ? accept(() => { socket.write(frame('{"type":"auth_ok"}')) }) : reply(401),
    ticket: ({ reply }) => reply(201, TICKET({ ticket: only }))
  })
  t.match(await look({ url, ticketUrl, token, ...PATIENT }, 'altered-ticket'), /^pass: refused: a ticket without its last character/)
  const starting = await rawServer(t, {
    upgrade: ({ head, accept, reply, socket }) => /ticket\.A1{42}\r/.test(head) ? accept(() => { socket.write(frame('{"type":"auth_ok"}')) }) : reply(401),
    ticket: ({ reply }) => reply(201, TICKET({ ticket: `A${'1'.repeat(42)}` }))
  })
  t.match(await look({ ...starting, token, ...PATIENT }, 'altered-ticket'), /^pass: refused: a ticket in lower case/)
})

t.test('nobody overhears an application that does not answer', async t => {
  const { url, ticketUrl } = await startServer(t)
  t.match(await look({ url, ticketUrl, token, echo: 'nothing %NONCE%', patience: 500 }, 'overhear'), /^skipped: the application does not answer/)
})

t.test('never more requests than told, as the server counts them', async t => {
  let requests = 0
  const count = (raw: Raw): void => {
    requests++
    if (raw.head.startsWith('GET / ')) return
    raw.socket.write('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n')
  }
  const { url } = await rawServer(t, { upgrade: count })
  const { sent } = await examine({ url, only: ['refusal-ends'], patience: BRIEF, rate: 100_000 })
  await pause(0)
  t.equal(requests, sent)
  t.ok(seconds() > 0)
})
