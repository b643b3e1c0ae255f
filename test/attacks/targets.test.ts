import wsIntrospect from '@fastify-airlock/introspect'
import { redactLogs } from '@fastify-airlock/guard'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { head, type HeadParts, inTurns, product, start } from './wire.js'

/** Puts a ticket into an upgrade, by each carrier. */
const CARRIERS: Record<string, (ticket: string, host: string) => { query: string, lines: string[] }> = {
  query: ticket => ({ query: `ticket=${ticket}`, lines: [] }),
  subprotocol: ticket => ({ query: '', lines: [`Sec-WebSocket-Protocol: airlock.v1, ticket.${ticket}`] }),
  cookie: (ticket, host) => ({ query: '', lines: [`Cookie: ticket=${ticket}`, `Origin: http://${host}`] })
}

/** Targets with a fragment. `Q` stands for the query of the carrier. */
const FRAGMENTS = [
  '/ws#Q', '/ws?Q#', '/ws?Q#x', '/ws?Q#x=1', '/ws?x=1#Q', '/ws#x&Q', '/ws?#Q', '/ws#?Q', '/ws##Q', '/ws#Q#', '/ws?Q#Q', '/ws#%23&Q', '/ws?x=%23#Q',
  '/ws?x=/#Q', '/ws#/other?Q', '/ws;v=1#Q', 'http://HOST/ws#Q', 'http://HOST/ws?Q#', 'HTTP://HOST/ws?Q#x', 'https://HOST/ws#Q'
]

/** User information before a host. */
const USERS = ['user:pass@', 'user@', ':pass@', '@', ':@', 'user%40x:pa%3Ass@', 'a:b:c@', '%75ser@', '127.0.0.1@', '127.0.0.1:80@', 'user:@', "!$&'()*+,=@"]

t.test('a fragment or user information in the target is 400, whatever the carrier, and spends nothing', async t => {
  const { host, ticket, send, app } = await start(t)
  const targets = [
    ...FRAGMENTS,
    ...product<[string, string, string]>(['http://', 'https://', 'HTTP://', 'hTTps://'], USERS, ['/ws?Q', '/ws?Q#x']).map(([scheme, user, path]) => `${scheme}${user}HOST${path}`)
  ]
  const members = product<[string, string]>(targets, Object.keys(CARRIERS))
  t.ok(members.length > 200, `${members.length} members`)
  const one = await ticket()
  await inTurns(members, async ([target, carrier]) => {
    const { query, lines } = (CARRIERS[carrier] as typeof CARRIERS[string])(one, host)
    const { status, code } = await send(head({ host, lines, target: target.replaceAll('Q', query).replace('HOST', host) }))
    // `/ws;v=1` is another path. The router itself refuses a fragment in the absolute form.
    t.match(`${status} ${code}`, target.startsWith('/ws;') ? /^404 / : /^400 (?:WSA_GUARD_ERR_NOT_UPGRADE|FST_ERR_BAD_URL)$/, `${carrier} ${target}`)
  })
  t.equal(app.wsGuard.pending, 0)
  t.equal((await send(head({ host, target: `/ws?ticket=${one}` }))).status, 101, 'the ticket was not spent')
})

t.test('what only looks like it is no fragment and no user information', async t => {
  const { host, ticket, send } = await start(t)
  for (const target of ['/ws?Q&x=%23', '/ws?x=a@b&Q', '/ws?Q&next=http://user:pass@host/', '/ws?Q&x=%40', `http://${host}/ws?Q`, `HTTP://${host}/ws?Q`, '/ws?Q&x=;y', '/ws?x=1;y=2&Q']) {
    t.equal((await send(head({ host, target: target.replace('Q', `ticket=${await ticket()}`) }))).status, 101, target)
  }
})

t.test('a target in absolute form names the host of the Host header', async t => {
  const { host, port, ticket, send } = await start(t)
  const one = await ticket()
  const others = ['evil.test', `127.0.0.2:${port}`, '127.0.0.1', `127.0.0.1:${port + 1}`, `[::1]:${port}`, `localhost:${port}`, 'x', `127.0.0.1.evil.test:${port}`]
  for (const [other, scheme, origin] of product<[string, string, string]>(others, ['http', 'https'], [host, 'OTHER', ''])) {
    const lines = origin === '' ? [] : [`Origin: http://${origin.replace('OTHER', other)}`]
    const { status, code } = await send(head({ host, lines, target: `${scheme}://${other}/ws?ticket=${one}` }))
    t.match({ status, code }, { status: 400, code: 'WSA_GUARD_ERR_NOT_UPGRADE' }, `${scheme} ${other} ${origin}`)
  }
  t.equal((await send(head({ host, target: `http://${host}/ws?ticket=${one}` }))).status, 101, 'the ticket was not spent')
})

/** What `;` does, with and without Fastify's option: the status of each target. */
const SEMICOLONS: Array<[target: string, without: number, withOption: number]> = [
  ['/ws;ticket=T', 404, 400], ['/ws;x=1&ticket=T', 404, 400], ['/ws;ticket=T&x=1', 404, 400], ['/ws;;ticket=T', 404, 401], ['/ws;&ticket=T', 404, 400],
  ['/ws;%74icket=T', 404, 400], ['/ws;ticket=T?x=1', 404, 400], ['/ws;x=1?ticket=T', 404, 401], ['/ws;x?&ticket=T', 404, 400], ['/ws;ticket=T#x', 404, 400],
  ['/ws;x#ticket=T', 404, 400], ['/ws?x=1;ticket=T', 401, 401], ['/ws?x=1;y=2&z', 401, 401], ['/ws;ticket=T;x', 404, 400], ['/ws;ticket=a&ticket=T', 404, 400]
]

for (const [name, server] of Object.entries({
  'without the option': {}, 'with useSemicolonDelimiter': { useSemicolonDelimiter: true }, 'with it for the router': { routerOptions: { useSemicolonDelimiter: true } }
})) {
  t.test(`a query that begins with a semicolon carries no credential, ${name}`, async t => {
    const { host, ticket, send, log } = await start(t, { server: server as object })
    const one = await ticket()
    for (const [target, without, withOption] of SEMICOLONS) {
      const { status, text } = await send(head({ host, target: target.replace('T', one) }))
      t.equal(status, name === 'without the option' ? without : withOption, target)
      t.notMatch(text, one, target)
    }
    t.notMatch(log.join(''), one)
    const lines = [`Sec-WebSocket-Protocol: airlock.v1, ticket.${one}`]
    if (name !== 'without the option') t.equal((await send(head({ host, target: '/ws;jsessionid=1', lines }))).status, 101, 'other parameters may be there')
    else t.equal((await send(head({ host, target: '/ws?x=1;y', lines }))).status, 101)
  })
}

t.test('tokens of an authority: in a fragment, behind a semicolon or beside user information they are 400, over HTTP and on upgrades', async t => {
  const asked: string[] = []
  const { host, send } = await start(t, {
    server: { routerOptions: { useSemicolonDelimiter: true } } as object,
    routes: async app => {
      await app.register(wsIntrospect, {
        query: 'token',
        cookie: 'ext',
        lookup: async token => {
          asked.push(token)
          return { subject: 'alice', claims: {}, expiresAt: null }
        }
      })
      app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async request => request.wsIdentity)
      app.get('/ext', { websocket: true, preValidation: app.wsGuard({ authenticate: app.wsIntrospect.authenticator() }) }, () => {})
    }
  })
  const targets = ['P#token=T', 'P?x#token=T', 'P;token=T', 'P;x&token=T', 'P?token=T#', 'http://u:p@HOST/P?token=T', 'http://@HOST/P?token=T', 'http://HOST/P#token=T']
  for (const [target, path] of product<[string, string]>(targets, ['/me', '/ext'])) {
    const whole = target.replace('/P', path).replace('P', path).replace('HOST', host).replace('T', 'tttttttttttttttttttt')
    const parts: HeadParts = { host, target: whole }
    const answer = await send(path === '/me' ? head({ ...parts, without: ['Connection', 'Upgrade'], lines: ['Connection: close'] }) : head(parts))
    t.equal(answer.status, 400, `${path} ${target}`)
  }
  for (const lines of [['Authorization: Bearer t'], ['Cookie: ext=t', `Origin: http://${host}`]]) {
    for (const target of ['/me#x', '/me?#', '/ext#x', `http://u@${host}/me`, `http://u@${host}/ext`]) {
      const upgrade = target.includes('/ext')
      const { status } = await send(head({ host, target, lines: upgrade ? lines : [...lines, 'Connection: close'], without: upgrade ? [] : ['Connection', 'Upgrade'] }))
      t.equal(status, 400, target)
    }
  }
  t.same(asked, [], 'nobody was asked')
  t.equal((await send(head({ host, target: '/ext?token=t' }))).status, 101)
})

t.test('no secret of a target is in the log or in an answer, wherever it stands', async t => {
  const secret = 'CANARY0123456789'
  const places = [
    'PATH#ticket=SECRET', 'PATH#token=SECRET', 'PATH?x=1#access_token=SECRET', 'PATH?ticket=SECRET#', 'PATH#x=1&jwt=SECRET', 'PATH##ticket=SECRET', 'PATH#?ticket=SECRET', 'PATH#TICKET=SECRET', 'PATH#%74icket=SECRET',
    'PATH;ticket=SECRET', 'PATH;x=1&token=SECRET', 'PATH;x;token=SECRET', 'PATH?a;ticket=SECRET', 'PATH?ticket=SECRET', 'http://user:SECRET@HOSTPATH', 'http://SECRET@HOSTPATH', 'http://SECRET:x@HOSTPATH?y#z',
    'HTTPS://user:SECRET@HOSTPATH', 'http://user:SECRET@HOSTPATH#ticket=SECRET', 'http://a@SECRET@HOSTPATH', 'ws://user:SECRET@HOSTPATH', '//user:SECRET@HOSTPATH'
  ]
  const paths = ['/ws', '/plain', '/nowhere', '/throws', '/open', '/']
  for (const [name, make] of Object.entries({
    serializers: async (app: FastifyInstance) => await routes(app),
    redactLogs: async (app: FastifyInstance) => { redactLogs(app); await routes(app) }
  })) {
    const { host, send, log } = await start(t, { routes: make, server: { routerOptions: { useSemicolonDelimiter: true } } as object })
    await inTurns(product<[string, string, boolean]>(places, paths, [true, false]), async ([place, path, upgrade]) => {
      const target = place.replace('PATH', path).replaceAll('SECRET', secret).replace('HOST', host)
      const { text, status, code } = await send(head({ host, target, without: upgrade ? [] : ['Connection', 'Upgrade'], lines: upgrade ? [] : ['Connection: close'] }))
      t.ok(status >= 101, `${name} ${target}`)
      // What the router answers to a URL that it cannot read is the application's, by `frameworkErrors`.
      if (code !== 'FST_ERR_BAD_URL') t.notMatch(text, secret, `${name}: the answer to ${target}`)
    })
    t.same(log.filter(line => line.includes(secret)), [], name)
    t.ok(log.length > 200)
  }

  async function routes (app: FastifyInstance): Promise<void> {
    app.get('/plain', async () => 'ok')
    app.get('/throws', async () => { throw new Error('of the test') })
    app.get('/open', { websocket: true }, socket => { socket.close() })
  }
})
