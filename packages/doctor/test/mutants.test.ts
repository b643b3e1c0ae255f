// Takes long: sixty servers, each examined by nearly every rule.
import t, { type Test } from 'tap'
import { type DoctorOptions, examine, type RuleId, rules } from '../src/index.js'
import { claims, type Mutant, mutants } from './mutants.js'
import { type ServerOptions, startServer } from './server.js'
import { PUBLIC_KEY, SECRET, seconds, sign } from './tokens.js'

/** What waits for time to pass is looked at on servers of its own: with time limits that are short for everything else. */
const SLOW: RuleId[] = ['silence', 'quiet', 'expired-ticket', 'expiry', 'drain', 'ticket-race', 'retry-after']

/** For what does come, however busy the machine is; and for what never comes. */
const PATIENT = 120_000
const BRIEF = 150

async function run (t: Test, server: ServerOptions, options: Partial<DoctorOptions>) {
  const secret = server.secret === undefined ? SECRET : server.secret
  const { url, ticketUrl, forbiddenUrl, advance, stop } = await startServer(t, server)
  const report = await examine({
    url,
    ticketUrl,
    forbiddenUrl,
    token: sign(claims('alice'), secret),
    secondToken: sign(claims('bob'), secret),
    expiredToken: sign(claims('alice', { exp: seconds() - 60 }), secret),
    shortToken: sign(claims('alice', { exp: seconds() + 1 }), secret),
    widerToken: sign(claims('alice', { scope: 'read write' }), secret),
    ...(secret === null && { publicKey: PUBLIC_KEY }),
    rate: 100_000,
    race: false,
    patience: PATIENT,
    ...options
  }, { sleep: advance, beside: false, onDrain: stop })
  t.ok(report.sent <= report.plan.requests, 'no more than was told')
  t.notMatch(JSON.stringify(report), /eyJ[\w-]{5}|(?<![\w-])[\w-]{43}(?![\w-])/, 'no token, no ticket')
  return {
    report,
    failed: report.findings.filter(({ result }) => result === 'fail').map(({ rule }) => rule.id),
    unknown: report.findings.filter(({ result }) => result === 'unknown').map(({ rule, evidence }) => `${rule.id}: ${evidence}`)
  }
}

function setUp ({ ajar, server = {}, rules, alone, options = {} }: Mutant): [ServerOptions, Partial<DoctorOptions>] {
  if (alone === true) return [{ ajar, ...server }, { only: rules, patience: BRIEF, authTimeout: BRIEF, ...options }]
  return [{ ajar, ...server }, { skip: SLOW.filter(id => !rules.includes(id)), ...options, ...(options.skip !== undefined && { skip: [...SLOW, ...options.skip] }) }]
}

t.test('a server without a door ajar has no finding', async t => {
  const { failed, unknown } = await run(t, {}, { skip: SLOW })
  t.same(failed, [])
  t.same(unknown, [])
})

t.test('nor has it one where time passes', async t => {
  const waiting: Array<[ServerOptions, Partial<DoctorOptions>]> = [
    [{ authTimeout: 50 }, { only: ['silence', 'quiet', 'close-codes', 'auth-error'] }],
    [{}, { only: ['expired-ticket', 'expiry', 'drain', 'ticket-race'], grace: 0, drain: PATIENT, race: true }],
    [{ limit: 5 }, { only: ['retry-after'], exhaust: true }]
  ]
  for (const [server, options] of waiting) {
    const { report } = await run(t, server, options)
    for (const { rule, result, evidence } of report.findings) t.equal(result, 'pass', `${rule.id}: ${evidence}`)
  }
})

t.test('there are thirty mutants and more, for every rule that looks at this server', async t => {
  t.ok(mutants.length >= 30)
  const named = new Set(mutants.flatMap(({ rules }) => rules))
  // Those of TLS and of the frames have servers of their own, in tls.test.ts and silent.test.ts.
  const elsewhere = ['masking', 'close-answer', 'tls', 'tls-version', 'tls-certificate', 'hsts']
  for (const { id, area } of rules) if (area !== 'inside' && !elsewhere.includes(id)) t.ok(named.has(id), id)
})

for (const mutant of mutants) {
  t.test(`a server that ${mutant.name}: ${mutant.rules.join(', ')}`, async t => {
    const { failed, report } = await run(t, ...setUp(mutant))
    t.same([...failed].sort(), [...mutant.rules].sort(), 'by the right rule, and by no other')
    const finding = report.findings.find(({ rule }) => rule.id === mutant.rules[0])
    t.ok(finding !== undefined && finding.evidence !== '' && finding.rule.cure !== '' && finding.rule.section !== '')
  })
}
