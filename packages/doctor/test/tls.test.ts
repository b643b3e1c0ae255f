import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { examine, type DoctorOptions } from '../src/index.js'
import { isLoopback } from '../src/host.js'
import { claims } from './mutants.js'
import { type Ajar, startServer } from './server.js'
import { sign } from './tokens.js'

const fixture = (name: string): string => readFileSync(new URL(`../../../apps/demo/test/fixtures/${name}.pem`, import.meta.url), 'utf8')
const tls = { cert: fixture('cert'), key: fixture('key') }

async function look (t: Test, ajar: Ajar, options: Partial<DoctorOptions> = {}) {
  const { url, ticketUrl } = await startServer(t, { ajar, tls })
  const { findings, honest } = await examine({
    url, ticketUrl, token: sign(claims('alice')), only: ['no-ticket', 'tls', 'tls-version', 'tls-certificate', 'hsts'], ca: tls.cert, rate: 100_000, patience: 120_000, ...options
  })
  return { honest, results: Object.fromEntries(findings.map(({ rule, result }) => [rule.id, result])), findings }
}

const ALL = { 'no-ticket': 'pass', tls: 'pass', 'tls-version': 'pass', 'tls-certificate': 'pass', hsts: 'pass' }

t.test('over TLS', async t => {
  t.same((await look(t, {})).results, ALL)
  t.same((await look(t, { hsts: null })).results, { ...ALL, hsts: 'fail' })
  t.same((await look(t, { hsts: 'max-age=0' })).results, { ...ALL, hsts: 'fail' })
  t.same((await look(t, { hsts: 'preload' }, { ticketUrl: undefined, only: ['tls', 'hsts'] })).results, { tls: 'pass', hsts: 'fail' })
  t.same((await look(t, { oldTls: true })).results, { ...ALL, 'tls-version': 'fail' })
})

t.test('a token goes to no server whose certificate cannot be verified, unless it is told to', async t => {
  const untrusted = await look(t, {}, { ca: undefined })
  t.match(untrusted.honest, /^an honest client does not get in: .*certificate/)
  t.match(untrusted.results, { 'tls-certificate': 'fail', 'tls-version': 'pass', 'no-ticket': 'unknown' })
  t.same((await look(t, {}, { ca: undefined, insecure: true })).results, { ...ALL, 'tls-certificate': 'fail' })
})

t.test('a name is told to the server', async t => {
  const { port } = await startServer(t, { tls })
  const { findings } = await examine({ url: 'wss://app.example.com/ws', connectTo: `127.0.0.1:${port}`, insecure: true, only: ['tls', 'tls-certificate'], patience: 120_000 })
  t.match(findings.map(({ result }) => result), ['pass', 'fail'])
})

t.test('in the clear', async t => {
  const { port } = await startServer(t)
  const { findings } = await examine({ url: 'ws://app.example.com/ws', ticketUrl: 'https://app.example.com/ws/ticket', connectTo: `127.0.0.1:${port}`, only: ['no-ticket', 'tls', 'ticket-race'], patience: 120_000 })
  t.match(findings.map(({ rule, result, evidence }) => [rule.id, result, evidence]), [
    ['no-ticket', 'pass', /401/],
    ['ticket-race', 'skipped', /AIRLOCK_TOKEN/],
    ['tls', 'fail', 'ws://app.example.com is not encrypted']
  ])
})

t.test('this machine', async t => {
  for (const host of ['127.0.0.1', '127.1.2.3', '[::1]', 'localhost', 'app.localhost']) t.ok(isLoopback(host), host)
  for (const host of ['10.0.0.1', '[::2]', 'localhost.example.com', '128.0.0.1']) t.notOk(isLoopback(host), host)
})
