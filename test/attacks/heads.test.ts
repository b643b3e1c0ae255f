import wsIntrospect from '@fastify-airlock/introspect'
import { jwt } from '@fastify-airlock/guard'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { head, type HeadParts, inTurns, product, start } from './wire.js'

const NOT_UPGRADE = 'WSA_GUARD_ERR_NOT_UPGRADE'

/** What no opening handshake has, by the part of the head that is wrong. */
const DEFECTS: Record<string, Array<Omit<HeadParts, 'host'> & { host?: string }>> = {
  version: ['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0'].map(version => ({ version })),
  'no or an empty Host': [{ without: ['Host'] }, { host: '' }, { host: ' ' }],
  'two Hosts': ['127.0.0.1', 'evil.test', '', 'HOST'].flatMap(other => [{ lines: [`Host: ${other}`] }, { lines: [`hOST: ${other}`] }, { without: ['Host'], lines: [`Host: ${other}`, 'Host: HOST'] }]),
  'a malformed Host': [
    'user@HOST', 'user:pass@HOST', 'HOST/', 'HOST/ws', 'HOST?', 'HOST#', 'a b', 'HOST, HOST', 'HOST,evil.test', 'http://HOST', 'HOST:x', 'HOST:80:80', '[::1', '::1', '[::1]x', 'a\\b', 'a"b', '<a>', 'h\xf6st', '{a}', '@', '[evil.test]'
  ].map(host => ({ host })),
  'Transfer-Encoding': [
    'chunked', 'Chunked', 'CHUNKED', 'gzip, chunked', 'identity', 'xchunked', 'chunked, identity', 'chunked;q=1', '"chunked"', 'x', 'deflate', 'trailers, chunked', 'cow'
  ].flatMap(coding => [{ lines: [`Transfer-Encoding: ${coding}`] }, { lines: [`transfer-encoding: ${coding}`, 'TE: trailers'] }]),
  'Content-Length': ['1', '5', '125', '60000', '00001', '4294967296', '9007199254740991'].map(length => ({ lines: [`Content-Length: ${length}`] })),
  'both lengths': [{ lines: ['Content-Length: 0', 'Transfer-Encoding: chunked'] }, { lines: ['Transfer-Encoding: identity', 'Content-Length: 5'] }],
  'Sec-WebSocket-Version': ['8', '7', '0', '14', '13.0', '0x0d', '1.3e1', '+13', '013', '13, 8', '8, 13', '13, 13', '', 'x'].map(version => ({ without: ['Sec-WebSocket-Version'], lines: [`Sec-WebSocket-Version: ${version}`] })),
  'Sec-WebSocket-Key': ['', 'x', 'AAAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAAAAAAAA=', 'AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA==', '=AAAAAAAAAAAAAAAAAAAAA==', 'AAAAAAAAAAAAAAAAAAAAAAAA', 'AAAAAAAAAA-AAAAAAAAAAA==', 'AAAAAAAAAA AAAAAAAAAAA=='].map(key => ({ without: ['Sec-WebSocket-Key'], lines: [`Sec-WebSocket-Key: ${key}`] }))
}

t.test('a head that is no opening handshake is 400, and spends nothing', async t => {
  const { host, ticket, send, app } = await start(t)
  const one = await ticket()
  const carriers = [
    { target: `/ws?ticket=${one}`, lines: [] as string[] },
    { target: '/ws', lines: [`Sec-WebSocket-Protocol: airlock.v1, ticket.${one}`] },
    { target: '/ws', lines: [`Cookie: ticket=${one}`, `Origin: http://${host}`] }
  ]
  const members = Object.entries(DEFECTS).flatMap(([kind, defects]) => defects.flatMap(defect => carriers.map(carrier => ({ kind, defect, carrier }))))
  t.ok(members.length > 250, `${members.length} members`)
  await inTurns(members, async ({ kind, defect, carrier }) => {
    const parts = { ...defect, host: (defect.host ?? 'HOST').replaceAll('HOST', host), target: carrier.target }
    const lines = [...(defect.lines ?? []).map(line => line.replaceAll('HOST', host)), ...carrier.lines]
    const { status, code } = await send(head({ ...parts, lines }))
    // Node's own parser refuses some before anybody sees them.
    t.match(`${status} ${code}`, /^400 (?:WSA_GUARD_ERR_NOT_UPGRADE)?$/, `${kind}: ${JSON.stringify(defect)} ${carrier.target.slice(0, 5)}`)
  })
  t.equal(app.wsGuard.pending, 0)
  t.equal((await send(head({ host, target: `/ws?ticket=${one}` }))).status, 101, 'the ticket was not spent')
})

t.test('what honest clients send is an opening handshake', async t => {
  const { host, ticket, send } = await start(t)
  for (const parts of [
    {}, { host: 'EXAMPLE.com' }, { host: 'example.com:' }, { host: 'example.com:8080' }, { host: '[2001:db8::1]:3000' }, { host: '[::1]' }, { host: 'my_host.internal' }, { host: 'xn--bcher-kva.example' },
    { host: '192.0.2.7:80' }, { lines: ['Content-Length: 0'] }, { lines: ['Connection: keep-alive'] }, { lines: ['TE: trailers'] }, { lines: ['Upgrade-Insecure-Requests: 1'] }, { lines: ['Authorization: Basic YTpi', 'Authorization: Basic YTpi'] }
  ] as HeadParts[]) {
    t.equal((await send(head({ host, ...parts, target: `/ws?ticket=${await ticket()}` }))).status, 101, JSON.stringify(parts))
  }
})

/** A pair of `Authorization` lines; `G` is a good token. */
const PAIRS = product<[string, string]>(['Bearer G', 'bearer G', 'Bearer x', 'Bearer', 'Basic YTpi', 'Digest a=b', '', 'x'], ['Bearer G', 'BEARER G', 'Bearer x', 'Basic YTpi', '', 'Bearer  G'])

t.test('several Authorization headers are several credentials, on upgrades and over HTTP', async t => {
  const asked: string[] = []
  const { host, send, jwt: sign, app } = await start(t, {
    routes: async app => {
      app.get('/jwt', { websocket: true, preValidation: app.wsGuard({ authenticate: jwt() }) }, () => {})
      await addIntrospection(app, asked)
    }
  })
  const good = sign()
  const requests: Array<[path: string, parts: HeadParts]> = [
    ['/jwt', {}], ['/ext', {}], ['/me', { without: ['Connection', 'Upgrade'], lines: ['Connection: close'] }]
  ]
  for (const between of [[], ['X-Other: 1'], ['Cookie: a=b']]) {
    await inTurns(product<[[string, string], typeof requests[number]]>(PAIRS, requests), async ([[first, second], [target, parts]]) => {
      const lines = [`Authorization: ${first}`, ...between, `authorization: ${second}`].map(line => line.replace('G', good))
      const { status, code } = await send(head({ host, target, ...parts, lines: [...(parts.lines ?? []), ...lines] }))
      t.equal(status, 400, `${target}: ${first} and ${second}`)
      t.match(code, /_ERR_MULTIPLE_(?:CREDENTIALS|TOKENS)$/)
    })
  }
  t.same(asked, [], 'nobody was asked')
  for (const [value, status] of [['Bearer G', 101], ['bearer G', 101], ['Bearer   G', 101], ['Bearer G G', 401], ['Bearer G, Bearer G', 401], ['Bearer G x', 401], ['BearerG', 401], ['Bearer,G', 401], ['Token G', 401]] as const) {
    t.equal((await send(head({ host, target: '/jwt', lines: [`Authorization: ${value.replaceAll('G', good)}`] }))).status, status, value)
  }
  t.equal(app.wsGuard.pending, 0)
})

t.test('two Authorization headers that Node joins are two as well', async t => {
  const { host, send, jwt: sign } = await start(t, {
    server: { http: { joinDuplicateHeaders: true } } as object,
    routes: app => { app.get('/jwt', { websocket: true, preValidation: app.wsGuard({ authenticate: jwt() }) }, () => {}) }
  })
  const lines = [`Authorization: Bearer ${sign()}`, `Authorization: Bearer ${sign()}`]
  t.match(await send(head({ host, target: '/jwt', lines })), { status: 400, code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' })
  t.equal((await send(head({ host, target: '/jwt', lines: lines.slice(1) }))).status, 101)
})

t.test('a cookie without = has no name, and is no credential', async t => {
  const { host, ticket, send } = await start(t, { routes: app => addIntrospection(app, []) })
  const nameless = ['ticket', 'ticketX', 'tickets', 'ext_token', 'ext_tokens', 'ext_tokenX', 'x', '\xa0ticket=x', 'ticket\xa0=x', '\xa0ext_token=x', '=ticket', '=', '', 'Ticket=x', 'EXT_TOKEN=x', 'ticket2=x', '"ticket"=x', '%74icket=x']
  const members = product<[string, string]>(nameless, ['N; C', 'C; N', 'N;C;N', 'N; a=b; C', 'C;  N', '; N;; C;'])
  await inTurns(members, async ([name, order]) => {
    for (const [target, cookie] of [['/ws', `ticket=${await ticket()}`], ['/ext', 'ext_token=good']] as const) {
      const lines = [`Cookie: ${order.replaceAll('N', name).replace('C', cookie)}`, `Origin: http://${host}`]
      t.equal((await send(head({ host, target, lines }))).status, 101, `${target}: ${lines[0]}`)
    }
  })
  for (const name of nameless) {
    const answer = await send(head({ host, lines: [`Cookie: ${name}`, `Origin: http://${host}`] }))
    t.match(answer, { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' }, `${name} alone`)
  }
  const one = await ticket()
  for (const second of ['ticket=x', 'ticket=', ' ticket =x', '\tticket=x', `ticket=${one}`]) {
    t.match(await send(head({ host, lines: [`Cookie: ticket=${one};${second}`, `Origin: http://${host}`] })), { status: 400, code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS' }, second)
  }
  t.equal((await send(head({ host, target: `/ws?ticket=${one}` }))).status, 101, 'the ticket was not spent')
})

t.test('the token to revoke is the one that was asked about, however it was written', async t => {
  const asked: string[] = []
  const { host, send } = await start(t, { routes: async app => { await addIntrospection(app, asked) } })
  const tokens = ['abc-._~+/=', 'TOKEN2', 'a+b/c==', 'x'.repeat(500), 'eyJ.eyJ.sig']
  const forms = [(token: string) => token, (token: string) => `"${token}"`, encodeURIComponent, (token: string) => `"${encodeURIComponent(token)}"`, (token: string) => token.replace(/./g, c => `%${c.charCodeAt(0).toString(16)}`)]
  const places = [
    (token: string) => ({ lines: [`Authorization: Bearer ${token}`] }),
    (token: string) => ({ lines: [`Cookie: ext_token=${token}`] }),
    // The query is decoded once on its way.
    (token: string) => ({ target: `/revoke?token=${encodeURIComponent(token)}` })
  ]
  for (const [token, form, place] of product<[string, typeof forms[number], typeof places[number]]>(tokens, forms, places)) {
    asked.length = 0
    const parts = { target: '/revoke', lines: [] as string[], ...place(form(token)) }
    const { text } = await send(head({ host, ...parts, without: ['Connection', 'Upgrade'], lines: [...parts.lines, 'Connection: close'] }))
    t.match(text, /^HTTP\/1\.1 200 /, form(token))
    t.equal(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))).token, token, `${form(token)}`)
    // A token that is known is not asked about again.
    t.same(asked.filter(other => other !== token), [])
  }
})

async function addIntrospection (app: FastifyInstance, asked: string[]): Promise<void> {
  await app.register(wsIntrospect, {
    cookie: 'ext_token',
    query: 'token',
    lookup: async token => {
      asked.push(token)
      return { subject: 'alice', claims: {}, expiresAt: null }
    }
  })
  const { wsIntrospect: introspect } = app
  app.get('/me', { preHandler: introspect.authenticate }, async request => request.wsIdentity)
  app.get('/revoke', { preHandler: introspect.authenticate }, async request => ({ token: introspect.tokenOf(request) }))
  app.get('/ext', { websocket: true, preValidation: app.wsGuard({ authenticate: introspect.authenticator() }) }, () => {})
}

t.test('a defect is refused before the router as well, where the guard is asked to', async t => {
  const { host, ticket, send } = await start(t, { guard: { refuseBeforeRouting: true } })
  const one = await ticket()
  const lines = [`Sec-WebSocket-Protocol: airlock.v1, ticket.${one}`]
  for (const defect of Object.values(DEFECTS).flat()) {
    const { status, code } = await send(head({ ...defect, host: (defect.host ?? 'HOST').replaceAll('HOST', host), lines: [...(defect.lines ?? []).map(line => line.replaceAll('HOST', host)), ...lines] }))
    t.match(`${status} ${code}`, new RegExp(`^400 (?:${NOT_UPGRADE})?$`), JSON.stringify(defect))
  }
  t.equal((await send(head({ host, lines }))).status, 101)
})
