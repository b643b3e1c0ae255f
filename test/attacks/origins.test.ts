import { readFileSync } from 'node:fs'
import t from 'tap'
import { head, inTurns, product, start } from './wire.js'

const fixture = (name: string): Buffer => readFileSync(new URL(`../../apps/demo/test/fixtures/${name}.pem`, import.meta.url))

/** Origins that are none of the web's, or have more than an origin has. `HOST` is that of the request. */
const NO_ORIGINS = [
  ...['ftp', 'ws', 'wss', 'file', 'chrome-extension', 'moz-extension', 'app', 'capacitor', 'javascript', 'data', 'blob:http', 'about', 'httpx', 'httpss', 'view-source:http'].map(scheme => `${scheme}://HOST`),
  ...product<[string, string]>(['http', 'https'], [
    'user@HOST', 'user:pass@HOST', ':@HOST', '@HOST', 'HOST/', 'HOST/path', 'HOST//', 'HOST?', 'HOST?x', 'HOST#', 'HOST#x', 'HOST\\', 'HOST ,http://HOST', 'HOST, http://HOST', 'HOST http://HOST',
    'evil.test@HOST', 'HOST@evil.test', 'HOST.evil.test', 'evil.test/HOST', 'evil.test#HOST', 'evil.test?HOST', '/HOST', '\\HOST', 'HOST:', '0x7f000001:PORT', '2130706433:PORT', '127.1:PORT', '127.0.0.01:PORT', '127.0.0.1:0PORT', '%3127.0.0.1:PORT', '127.0.0.1', 'localhost:PORT'
  ]).map(([scheme, rest]) => `${scheme}://${rest}`),
  'http:HOST', 'http:/HOST', '//HOST', 'HOST', 'null', '', 'http://', 'https://', '*'
]

for (const [name, server, spellings] of [
  ['over TCP', {}, ['http', 'https']],
  ['over TLS', { https: { key: fixture('key'), cert: fixture('cert') } }, ['https']]
] as const) {
  t.test(`without a list, only the page's own origin may come in, ${name}`, async t => {
    const { host, port, ticket, send } = await start(t, { server: server as object })
    const one = await ticket()
    const carriers = [
      { target: `/ws?ticket=${one}`, lines: [] as string[] },
      { target: '/ws', lines: [`Sec-WebSocket-Protocol: airlock.v1, ticket.${one}`] },
      { target: '/ws', lines: [`Cookie: ticket=${one}`] }
    ]
    const wrong = [...NO_ORIGINS, ...(name === 'over TLS' ? ['http://HOST', 'HTTP://HOST', 'hTTp://HOST'] : [])]
    const members = product<[string, typeof carriers[number]]>(wrong, carriers)
    t.ok(members.length > 200, `${members.length} members`)
    await inTurns(members, async ([origin, { target, lines }]) => {
      const sent = origin.replaceAll('HOST', host).replace('PORT', String(port))
      const { status, code } = await send(head({ host, target, lines: [...lines, `Origin: ${sent}`] }))
      t.match({ status, code }, { status: 403, code: 'WSA_GUARD_ERR_ORIGIN' }, sent)
    })
    t.equal((await send(head({ host, target: `/ws?ticket=${one}`, lines: [`Origin: ${spellings[0]}://${host}`] }))).status, 101, 'the ticket was not spent')
    for (const scheme of spellings) {
      for (const origin of [`${scheme}://${host}`, `${scheme.toUpperCase()}://${host}`]) {
        t.equal((await send(head({ host, target: `/ws?ticket=${await ticket()}`, lines: [`Origin: ${origin}`] }))).status, 101, origin)
      }
    }
    const [secure] = spellings.slice(-1)
    for (const [origin, at] of [[`${secure}://Example.com`, 'example.COM'], [`${secure}://example.com:443`, 'example.com'], [`${secure}://example.com`, 'example.com:443'], [`${secure}://[2001:db8::1]:8443`, '[2001:db8::1]:8443']]) {
      t.equal((await send(head({ host: at as string, target: `/ws?ticket=${await ticket()}`, lines: [`Origin: ${origin}`] }))).status, 101, `${origin} at ${at}`)
    }
  })
}

/** What proxies say of the scheme, and which one it then is; `null` where nobody knows. */
const FORWARDED: Array<[header: string | null, scheme: 'http' | 'https' | null]> = [
  [null, null], ['https', 'https'], ['http', 'http'], ['wss', 'https'], ['ws', 'http'], ['HTTPS', 'https'], ['Http', 'http'],
  ['http, https', 'https'], ['https,http', 'http'], ['https, ws', 'http'], ['', null], ['tcp', null], ['quic', null]
]

for (const [name, trustProxy, trusted] of [
  ['every proxy', true, true], ['this address', '127.0.0.1', true], ['a function', () => true, true],
  // Fastify trusts nobody by a number of hops alone.
  ['one hop', 1, false], ['another address', '192.0.2.1', false], ['nobody', false, false]
] as const) {
  t.test(`the scheme is compared where it is known, behind a proxy, trusting ${name}`, async t => {
    const { host, ticket, send } = await start(t, { server: { trustProxy } as object })
    for (const [[header, scheme], origin] of product<[typeof FORWARDED[number], 'http' | 'https']>(FORWARDED, ['http', 'https'])) {
      const lines = [`Origin: ${origin}://${host}`, ...(header === null ? [] : [`X-Forwarded-Proto: ${header}`])]
      // Somebody who is not trusted and says `http` on a connection without TLS says what is seen.
      const known = trusted ? scheme : trustProxy !== false && header !== null && /(?:^|,)\s*(?:http|ws)$/i.test(header) ? 'http' : null
      const { status } = await send(head({ host, target: `/ws?ticket=${await ticket()}`, lines }))
      t.equal(status, known === null || known === origin ? 101 : 403, `${header}: ${origin}`)
    }
    const one = await ticket()
    for (const forwarded of ['evil.test', 'user@app.example', 'app.example/', 'app.example, evil.test']) {
      for (const origin of [`http://${forwarded}`, 'http://app.example', 'http://user@app.example', 'http://app.example/']) {
        const expected = trusted && origin === `http://${forwarded}` && forwarded === 'evil.test' ? 101 : 403
        if (expected === 101) continue
        t.equal((await send(head({ host, target: `/ws?ticket=${one}`, lines: [`Origin: ${origin}`, `X-Forwarded-Host: ${forwarded}`] }))).status, 403, `${origin} at ${forwarded}`)
      }
    }
    t.equal((await send(head({ host, target: `/ws?ticket=${one}` }))).status, 101, 'the ticket was not spent')
  })
}

t.test('before the router the scheme counts where nobody can say otherwise', async t => {
  const { host, ticket, send, log } = await start(t, {
    server: { https: { key: fixture('key'), cert: fixture('cert') }, trustProxy: true } as object, guard: { refuseBeforeRouting: true }
  })
  const lines = async (origin: string) => [`Sec-WebSocket-Protocol: airlock.v1, ticket.${await ticket()}`, `Origin: ${origin}://${host}`]
  t.equal((await send(head({ host, lines: await lines('http') }))).status, 403)
  t.notMatch(log.join(''), 'incoming request')
  t.equal((await send(head({ host, lines: [...await lines('http'), 'X-Forwarded-Proto: https'] }))).status, 403)
  t.equal((await send(head({ host, lines: [...await lines('http'), 'X-Forwarded-Proto: http'] }))).status, 101)
  t.equal((await send(head({ host, lines: await lines('https') }))).status, 101)
})
