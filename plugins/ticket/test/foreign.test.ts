import Fastify, { type FastifyReply } from 'fastify'
import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { bare, build, clock } from './helpers.js'
import { wsTickets, type WsTicketsOptions } from '../src/index.js'

const POST = { method: 'POST', url: '/ws/ticket' } as const
const HOST = 'app.example.com'
const OWN = `https://${HOST}`

/** What a form, `fetch` and `sendBeacon` can send without asking before, and what else does not declare JSON. */
const SIMPLE = [
  undefined, 'application/x-www-form-urlencoded', 'text/plain', 'text/plain;charset=UTF-8', 'multipart/form-data; boundary=x',
  'text/plain; application/json', 'text/plain, application/json', 'application/jsonp', 'nonsense', ''
]

/** Asks as a user with a cookie, unless the headers say otherwise. */
async function server (t: Parameters<typeof build>[0], options: WsTicketsOptions = {}) {
  const app = await build(t, options)
  const token = app.jwt.sign({ sub: 'alice' }, { expiresIn: '1m' })
  return {
    app,
    token,
    ask: async (headers: Record<string, string | undefined>): Promise<string> => {
      const given = Object.entries({ host: HOST, cookie: `session=${token}`, ...headers }).filter(([, value]) => value !== undefined)
      const { statusCode, json, headers: answered } = await app.inject({ ...POST, headers: Object.fromEntries(given) as Record<string, string> })
      t.equal(answered['cache-control'], 'no-store')
      return statusCode === 201 ? '201' : `${statusCode} ${json().code as string}`
    }
  }
}

const REFUSED = '403 WSA_TICKET_ERR_ORIGIN'

t.test('a request by cookie that needs no preflight is refused by its Origin, whatever its type', async t => {
  const { ask } = await server(t)
  for (const type of SIMPLE) {
    const form = { 'content-type': type }
    for (const [origin, site, expected] of [
      ['https://evil.example', undefined, REFUSED],
      ['https://evil.example', 'cross-site', REFUSED],
      ['https://other.example.com', 'same-site', REFUSED],
      [`https://${HOST}:8443`, 'same-site', REFUSED],
      ['null', 'cross-site', REFUSED],
      ['', undefined, REFUSED],
      [`${OWN}, https://evil.example`, undefined, REFUSED],
      ['https://evil.example', 'none', REFUSED],
      [undefined, 'cross-site', REFUSED],
      [undefined, 'same-site', REFUSED],
      // No browser says so by itself: it was sent twice, or written anew.
      [undefined, 'cross-site, cross-site', REFUSED],
      [undefined, 'Cross-Site', REFUSED],
      [undefined, 'same-origin', '201'],
      [undefined, 'none', '201'],
      // No browser.
      [undefined, undefined, '201'],
      [OWN, undefined, '201'],
      [OWN, 'same-origin', '201'],
      // A proxy has changed the Host.
      ['https://public.example.com', 'same-origin', '201']
    ] as const) {
      t.equal(await ask({ ...form, origin, 'sec-fetch-site': site }), expected, `${String(type)} from ${String(origin)}, ${String(site)}`)
    }
  }
})

t.test('what a browser has asked about before is left to CORS, and what no browser sends by itself is let in', async t => {
  const { ask, token } = await server(t)
  const foreign = { origin: 'https://spa.example', 'sec-fetch-site': 'cross-site' }
  for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;x']) t.equal(await ask({ ...foreign, 'content-type': type }), '201', type)
  t.equal(await ask({ ...foreign, authorization: `Bearer ${token}`, cookie: undefined }), '201', 'a token alone')
  t.equal(await ask({ ...foreign, authorization: `Bearer ${token}`, cookie: undefined, 'sec-fetch-mode': 'cors' }), '201', 'a token alone, as a page can set it')
  t.equal(await ask({ ...foreign, cookie: undefined }), '401 FST_JWT_NO_AUTHORIZATION_IN_COOKIE', 'nothing at all')
  for (const scheme of ['Basic', 'digest', 'Negotiate', 'NTLM']) t.equal(await ask({ ...foreign, authorization: `${scheme} x`, cookie: undefined }), REFUSED, scheme)
})

t.test('a certificate of the client is sent for any page as well, to this server or to a proxy', async t => {
  const fixture = async (name: string) => await readFile(new URL(`../../../apps/demo/test/fixtures/${name}.pem`, import.meta.url))
  const [key, cert] = await Promise.all(['key', 'cert'].map(fixture)) as [Buffer, Buffer]
  const options = { route: { hook: 'onRequest' as const, authenticate: async () => {}, subject: () => 'alice' } }
  for (const rejectUnauthorized of [false, true]) {
    const app = Fastify({ https: { key, cert, ca: cert, requestCert: true, rejectUnauthorized } })
    t.teardown(() => app.close())
    await app.register(wsTickets, options)
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const ask = async (headers: Record<string, string>, shown: object = { key, cert }) => await new Promise(resolve => {
      request({ host: '127.0.0.1', port, path: '/ws/ticket', method: 'POST', ca: cert, agent: false, headers, ...shown }, response => {
        response.resume().on('end', () => resolve(response.statusCode))
      }).end()
    })
    t.equal(await ask({ origin: 'https://evil.example' }), 403, 'a form of another page')
    t.equal(await ask({ 'sec-fetch-site': 'cross-site' }), 403)
    t.equal(await ask({ origin: `https://127.0.0.1:${port}` }), 201, 'a page of this host')
    t.equal(await ask({}), 201, 'no browser')
    t.equal(await ask({ origin: 'https://spa.example', authorization: 'Bearer x' }), 201, 'a token that a page has set')
    t.equal(await ask({ origin: 'https://spa.example', 'content-type': 'application/json', 'content-length': '0' }), 201, 'a browser has asked before')
    if (!rejectUnauthorized) t.equal(await ask({ origin: 'https://spa.example' }, {}), 201, 'no certificate: whatever there is, a page has set it')
  }

  const app = bare(t)
  await app.register(wsTickets, options)
  for (const [name, expected] of [
    // RFC 9440, Envoy, ingress-nginx, HAProxy, Apache, Traefik, Amazon, Cloudflare, Azure.
    ...['Client-Cert', 'X-Forwarded-Client-Cert', 'SSL-Client-Verify', 'X-SSL-Client-Cert', 'X-SSL-Cert', 'SSL_CLIENT_S_DN', 'X-Forwarded-Tls-Client-Cert', 'X-Amzn-Mtls-Clientcert-Leaf', 'Cf-Client-Cert-Der-Base64', 'X-ARR-ClientCert', 'X-Client-Verify', 'X-Client-S-Dn', 'X-Client-Subject', 'X_Client_Dn'].map(name => [name, 403] as const),
    // What only a page that has asked before can set.
    ...['X-Api-Key', 'X-Client', 'X-Certainly', 'X-Auth-Token', 'X-Requested-With'].map(name => [name, 201] as const),
    // What browsers and proxies send of anybody.
    ...['User-Agent', 'X-User-Agent', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Real-Ip', 'Sec-CH-UA', 'Via', 'X-Request-Id', 'Cf-Connecting-Ip', 'Traceparent',
      // Azure App Service, App Engine, load balancers of Google, Chrome.
      'X-Client-Ip', 'X-Client-Port', 'X-Client-Address', 'X-Appengine-User-Ip', 'X-User-Ip', 'X-Client-Rtt-Msec', 'X-Client-Geo-Location', 'X-Client-Trace-Id', 'X-Client-Data', 'X-Client-Version'].map(name => [name, 201] as const)
  ]) {
    const { statusCode } = await app.inject({ ...POST, headers: { host: HOST, origin: 'https://evil.example', [name]: 'x' } })
    t.equal(statusCode, expected, name)
    t.equal((await app.inject({ ...POST, headers: { host: HOST, origin: OWN, [name]: 'x' } })).statusCode, 201, `${name}, a page of this host`)
  }
})

/** Headers of proxies that sign in: oauth2-proxy, Authelia, authentik, Tailscale, Cloudflare, Google, Amazon, Azure, Pomerium, Teleport, Vouch, Apache, Kong, APISIX, SiteMinder, Istio. */
const IDENTITIES = [
  'X-Forwarded-User', 'X-Forwarded-Email', 'X-Forwarded-Preferred-Username', 'X-Forwarded-Groups', 'X-Auth-Request-User', 'X-Auth-Request-Email', 'Remote-User', 'Remote-Email', 'Remote-Groups', 'X-Remote-User', 'X-WebAuth-User',
  'X-Authentik-Username', 'Tailscale-User-Login', 'Cf-Access-Jwt-Assertion', 'Cf-Access-Authenticated-User-Email', 'X-Goog-Iap-Jwt-Assertion', 'X-Goog-Authenticated-User-Email', 'X-Goog-Authenticated-User-Id',
  'X-Amzn-Oidc-Data', 'X-Amzn-Oidc-Identity', 'X-Ms-Client-Principal', 'X-Ms-Client-Principal-Name', 'X-Pomerium-Jwt-Assertion', 'X-Pomerium-Claim-Email', 'Teleport-Jwt-Assertion', 'X-Vouch-User', 'OIDC_CLAIM_sub', 'X-Shib-Eppn',
  'X-Consumer-Id', 'X-Consumer-Username', 'X-Authenticated-UserId', 'X-Userinfo', 'SM_USER', 'OAM_REMOTE_USER', 'Iv-User', 'X-Jwt-Payload', 'X-Jwt-Claim-Sub', 'X-User', 'X-User-Id', 'X-Forwarded-Identity'
]

t.test('what a proxy says of whom it has signed in is said for any page', async t => {
  const app = bare(t)
  await app.register(wsTickets, { route: { hook: 'onRequest', authenticate: async () => {}, subject: () => 'alice' } })
  const ask = async (headers: Record<string, string>): Promise<number> => (await app.inject({ ...POST, headers: { host: HOST, ...headers } })).statusCode
  for (const name of IDENTITIES) {
    for (const more of [{}, { authorization: 'Bearer of-the-proxy' }] as Array<Record<string, string>>) {
      const said = { [name]: 'alice', ...more }
      t.equal(await ask({ ...said, origin: 'https://evil.example' }), 403, name)
      t.equal(await ask({ ...said, 'sec-fetch-site': 'cross-site' }), 403, `${name}, no Origin`)
      t.equal(await ask({ ...said, origin: OWN }), 201, `${name}, a page of this host`)
      t.equal(await ask(said), 201, `${name}, no browser`)
      t.equal(await ask({ ...said, origin: 'https://spa.example', 'content-type': 'application/json' }), 201, `${name}, a browser has asked before`)
    }
  }
})

t.test('the mode of the request, and what stands beside Authorization, say whether a page can have set it', async t => {
  const app = bare(t)
  await app.register(wsTickets, { route: { hook: 'onRequest', authenticate: async () => {}, subject: () => 'alice' } })
  const bearer = { authorization: 'Bearer x' }
  const cookie = { cookie: 'sid=1' }
  const certificate = { 'x-forwarded-client-cert': 'x' }
  for (const [mode, credential, expected] of [
    // Forms, links, images: no page sets a header there, so a proxy has.
    ...['navigate', 'no-cors', 'websocket', 'nonsense'].flatMap(mode => [{}, bearer, cookie, { ...bearer, ...cookie }, { 'x-api-key': 'x' }].map(credential => [mode, credential, 403] as const)),
    ['cors', bearer, 201],
    ['same-origin', bearer, 201],
    [undefined, bearer, 201],
    ...[undefined, 'cors'].flatMap(mode => [cookie, certificate, { ...bearer, ...cookie }, { ...bearer, ...certificate }, { authorization: 'Basic x' }].map(credential => [mode, credential, 403] as const)),
    // A network or a header that nobody knows of, with a browser that shows that it is one.
    ['cors', {}, 403],
    ['cors', { authorization: '' }, 403],
    ['cors', { 'x-api-key': 'x' }, 403],
    [undefined, {}, 201]
  ] as ReadonlyArray<readonly [string | undefined, Record<string, string>, number]>) {
    const headers = { host: HOST, ...credential, ...mode !== undefined && { 'sec-fetch-mode': mode } }
    const ask = async (more: Record<string, string>): Promise<number> => (await app.inject({ ...POST, headers: { ...headers, ...more } })).statusCode
    const name = `${String(mode)} ${Object.keys(credential).join(' ')}`
    t.equal(await ask({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }), expected, name)
    t.equal(await ask({ origin: 'https://other.example.com', 'sec-fetch-site': 'same-site' }), expected, `${name}, another subdomain`)
    t.equal(await ask({ origin: 'null' }), expected, `${name}, a sandboxed frame`)
    t.equal(await ask({ 'sec-fetch-site': 'cross-site' }), expected, `${name}, no Origin`)
    t.equal(await ask({ origin: OWN, 'sec-fetch-site': 'same-origin' }), 201, `${name}, a page of this host`)
    t.equal(await ask({ origin: 'https://spa.example', 'sec-fetch-site': 'cross-site', 'content-type': 'application/json' }), 201, `${name}, a browser has asked before`)
    // `fetch` of Node says its mode, and nothing of a page.
    t.equal(await ask({}), 201, `${name}, no browser`)
  }
})

t.test('allowedOrigins replaces the host of the request', async t => {
  for (const [allowedOrigins, allowed, refused] of [
    ['https://spa.example', ['https://spa.example'], [OWN, 'https://evil.example']],
    [['https://spa.example', 'https://*.example.org', 'null'], ['https://spa.example', 'https://a.example.org', 'null'], [OWN]],
    [[], [], [OWN]],
    [async (origin: string) => origin.endsWith('.test'), ['https://a.test'], [OWN, 'https://evil.example']],
    [['https://spa.example', (origin: string) => origin === 'https://b.test'], ['https://spa.example', 'https://b.test'], [OWN]]
  ] as Array<[WsTicketsOptions['allowedOrigins'], string[], string[]]>) {
    const { ask } = await server(t, { allowedOrigins: allowedOrigins as string[] })
    for (const origin of allowed) t.equal(await ask({ origin }), '201', origin)
    for (const origin of refused) t.equal(await ask({ origin, 'sec-fetch-site': 'same-origin' }), REFUSED, origin)
  }
  await t.rejects(server(t, { allowedOrigins: 'example.com' }), { code: 'WSA_TICKET_ERR_OPTION', message: /^Invalid option: allowedOrigins: .*did you mean "https:\/\/example\.com"/ })
  await t.rejects(server(t, { allowedOrigins: [''] }), { code: 'WSA_TICKET_ERR_OPTION' })
})

t.test('a function in allowedOrigins that answers otherwise, or not, refuses', async t => {
  for (const [answer, expected] of [
    [() => 'yes', REFUSED], [async () => 1, REFUSED], [() => undefined, REFUSED],
    [() => { throw new Error('broken') }, '500 undefined'], [async () => { throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' }) }, '503 WSA_TICKET_ERR_UNAVAILABLE']
  ] as const) {
    const { ask } = await server(t, { allowedOrigins: answer as never })
    t.equal(await ask({ origin: 'https://spa.example' }), expected, String(answer))
  }
  const set = clock(t)
  const { app, ask } = await server(t, { allowedOrigins: () => { setImmediate(() => { set.ahead += 600_000 }); return new Promise<boolean>(() => {}) }, route: { hookTimeout: 600_000 } })
  // Deadlines keep no process alive; a server that listens does.
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.equal(await ask({ origin: 'https://spa.example' }), '503 WSA_TICKET_ERR_UNAVAILABLE')
})

t.test('nothing is done for a request from elsewhere', async t => {
  const seen: string[] = []
  for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) {
    const app = bare(t)
    await app.register(wsTickets, { route: { hook, authenticate: async () => { seen.push(hook) }, subject: () => 'alice' } })
    const ask = async (origin: string) => (await app.inject({ ...POST, headers: { host: HOST, cookie: 'sid=1', origin } })).statusCode
    t.equal(await ask('https://evil.example'), 403)
    t.strictSame(seen, [])
    t.equal(await ask(OWN), 201)
    t.strictSame(seen.splice(0), [hook])
  }
})

t.test('an authenticate hook that never answers is 503 after hookTimeout, and one that answers afterwards changes nothing', async t => {
  const set = clock(t)
  for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) {
    let answer = (): void => {}
    const app = bare(t)
    await app.register(wsTickets, {
      route: {
        hook,
        hookTimeout: 600_000,
        subject: () => 'alice',
        authenticate: async () => {
          setImmediate(() => { set.ahead += 600_000 })
          await new Promise<void>(resolve => { answer = resolve })
        }
      }
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    const response = await app.inject(POST)
    t.match(response.json(), { statusCode: 503, code: 'WSA_TICKET_ERR_UNAVAILABLE' })
    t.equal(response.headers['retry-after'], '1')
    answer()
    await new Promise(resolve => setImmediate(resolve))
  }
  // The reply of one that has answered in time is never touched again.
  const app = bare(t)
  await app.register(wsTickets, { route: { hookTimeout: 600_000, subject: () => 'alice', authenticate: async () => {} } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.equal((await app.inject(POST)).statusCode, 201)
  set.ahead += 1_200_000
  t.equal((await app.inject(POST)).statusCode, 201)
})

t.test('a request that a hook answers by itself is left to it', async t => {
  const set = clock(t)
  const app = bare(t)
  const replies: FastifyReply[] = []
  await app.register(wsTickets, {
    route: {
      hookTimeout: 600_000,
      subject: () => 'alice',
      authenticate: async ({ headers }, reply) => {
        if (headers.mine !== undefined) replies.push(reply.hijack())
        else setImmediate(() => { set.ahead += 600_000 })
        await new Promise(() => {})
      }
    }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const mine = app.inject({ ...POST, headers: { mine: '1' } })
  while (replies.length === 0) await new Promise(resolve => setImmediate(resolve))
  // Its deadline is later.
  t.equal((await app.inject(POST)).statusCode, 503)
  replies[0]?.raw.end('mine')
  t.equal((await mine).body, 'mine')
})
