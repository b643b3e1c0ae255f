import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { createOriginCheck, schemeOf } from '../src/index.js'

t.test('without a list, the Origin has to be the host of the request', async t => {
  const check = createOriginCheck(undefined)
  for (const [origin, host, allowed] of [
    ['https://example.com', 'example.com', true],
    ['https://example.com', 'example.com:443', true],
    ['http://example.com:3000', 'example.com:3000', true],
    ['http://[::1]:3000', '[::1]:3000', true],
    ['https://EXAMPLE.com', 'example.COM', true],
    ['https://example.com', 'example.com:8443', false],
    ['https://example.com', 'www.example.com', false],
    ['https://example.com.evil.test', 'example.com', false],
    ['null', 'example.com', false],
    ['', 'example.com', false],
    ['https://example.com', '', false],
    ['https://example.com:443', 'example.com', true],
    ['https://user@example.com', 'user@example.com', false],
    ['https://user@example.com', 'example.com', false],
    ['https://example.com/', 'example.com', false],
    ['https://example.com/', 'example.com/', false],
    ['ftp://example.com', 'example.com', false],
    ['wss://example.com', 'example.com', false]
  ] as const) {
    t.equal(await check(origin, host), allowed, `${origin} asks ${host}`)
  }
  for (const [origin, scheme, allowed] of [
    ['https://example.com', 'https', true], ['https://example.com', 'http', false], ['http://example.com', 'http', true], ['http://example.com', 'https', false],
    ['https://EXAMPLE.com', 'https', true], ['https://EXAMPLE.com', 'http', false]
  ] as const) {
    t.equal(await check(origin, 'example.com', scheme), allowed, `${origin} over ${scheme}`)
  }
})

t.test('the scheme of a request is known on TLS sockets, and from a proxy that is trusted', async t => {
  for (const [protocol, forwarded, behindProxy, scheme] of [
    ['https', undefined, false, 'https'], ['http', undefined, false, undefined], ['http', 'http', false, undefined], ['http', undefined, true, undefined],
    ['http', 'http', true, 'http'], ['ws', 'https, ws', true, 'http'], ['wss', 'wss', true, 'https'], ['http', 'https', true, undefined], ['tcp', 'tcp', true, undefined],
    [undefined, undefined, false, undefined]
  ] as const) {
    const request = { protocol, headers: { 'x-forwarded-proto': forwarded }, ...(behindProxy && { ips: [] }) }
    t.equal(schemeOf(request as unknown as FastifyRequest), scheme, JSON.stringify(request))
  }
})

t.test('exact origins, wildcards and functions', async t => {
  const check = createOriginCheck(['https://app.example.com', 'https://*.example.org', 'http://*.local.test:8080', 'null', 'app://desktop'])
  for (const [origin, allowed] of [
    ['https://app.example.com', true],
    ['http://app.example.com', false],
    ['https://app.example.com:8443', false],
    ['https://a.example.org', true],
    ['https://a.b.example.org', true],
    ['https://example.org', false],
    ['https://evilexample.org', false],
    ['https://evil.test/.example.org', false],
    ['https://evil.test#.example.org', false],
    ['https://user@.example.org', false],
    ['https://..example.org', false],
    ['http://x.local.test:8080', true],
    ['http://x.local.test', false],
    ['null', true],
    ['app://desktop', true],
    ['app://other', false]
  ] as const) {
    t.equal(await check(origin, 'irrelevant'), allowed, origin)
  }
  const asked = createOriginCheck(['https://a.test', async origin => origin === 'https://b.test', () => 1 as unknown as boolean])
  t.equal(await asked('https://a.test', ''), true)
  t.equal(await asked('https://b.test', ''), true)
  t.equal(await asked('https://c.test', ''), false, 'only true allows')
})

t.test('entries that are no origin are refused', async t => {
  for (const entry of ['example.com', 'https://example.com/', 'https://Example.com', 'https://example.com:443', '*', 'https://*', 'https://*.*.test',
    'https://a*.example.com', '*.example.com', 'https://*.example.com/', 'ftp://*.example.com']) {
    t.throws(() => createOriginCheck([entry]), TypeError, entry)
  }
})

t.test('an entry that is no origin is told what was probably meant', async t => {
  for (const [entry, meant] of [
    ['example.com', 'https://example.com'],
    ['example.com:8443', 'https://example.com:8443'],
    ['localhost', 'http://localhost'],
    ['localhost:3000', 'http://localhost:3000'],
    ['Localhost:3000/app', 'http://localhost:3000'],
    ['https://example.com/', 'https://example.com'],
    ['https://example.com/app?x#y', 'https://example.com'],
    ['https://Example.com', 'https://example.com'],
    ['https://example.com:443', 'https://example.com'],
    ['wss://example.com', 'https://example.com'],
    ['ws://localhost:3000/ws', 'http://localhost:3000'],
    ['app://desktop/page', null],
    ['not an origin', null]
  ] as const) {
    const message = `"${entry}" is not an origin like https://example.com${meant === null ? '' : `; did you mean "${meant}"?`}`
    t.throws(() => createOriginCheck([entry]), { message }, entry)
  }
  for (const entry of ['app://desktop', 'file://', 'chrome-extension://abcdef', 'capacitor://localhost', 'http://localhost:3000', 'http://[::1]:3000', 'null']) {
    t.equal(createOriginCheck([entry])(entry, ''), true, entry)
  }
  t.throws(() => createOriginCheck(['*']), { message: /let any page connect/ })
})
