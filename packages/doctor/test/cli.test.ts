// Runs alone: it starts the command as a process.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Parser } from 'tap-parser'
import { ARGUMENTS, VARIABLES } from '../src/arguments.js'
import { main } from '../src/cli.js'
import { ExitCode, exitCodeOf, rules, tapReport } from '../src/index.js'
import { makeReport } from '../src/report.js'
import { junitReport } from '../src/report/junit.js'
import { terminalReport } from '../src/report/terminal.js'
import { claims } from './mutants.js'
import { type Ajar, startServer } from './server.js'
import { sign } from './tokens.js'

const fixture = (name: string): string => fileURLToPath(new URL(`../../../apps/demo/test/fixtures/${name}`, import.meta.url))
const token = sign(claims('alice'))
const env = { AIRLOCK_TOKEN: token, AIRLOCK_TOKEN_2: sign(claims('bob')) }

/** Runs the command in this process. */
async function command (args: string[], { env = {}, stdin = '', tty = false }: { env?: Record<string, string>, stdin?: string, tty?: boolean } = {}) {
  const output = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr') => ({ isTTY: tty, write (text: string) { output[name] += text } })
  const code = await main(args, { env, stdin: Readable.from([stdin]), stdout: stream('stdout'), stderr: stream('stderr') })
  return { code, ...output }
}

/** What is quick, and looks at most areas. */
const QUICK = ['--rate', '100000', '--patience', '120000', '--only', 'no-ticket', '--only', 'compression', '--only', 'ticket-method', '--only', 'ticket-hash', '--only', 'retry-after', '--only', 'foreign-origin']

async function against (t: Test, ajar: Ajar, args: string[] = [], more: Parameters<typeof command>[1] = {}) {
  const { port } = await startServer(t, { ajar })
  return await command([`ws://127.0.0.1:${port}/ws`, '--ticket', '/ws/ticket', ...QUICK, ...args], { env, ...more })
}

t.test('the report for people', async t => {
  const { code, stdout, stderr } = await against(t, { noDoorOne: true })
  t.equal(code, ExitCode.OPEN)
  t.match(stderr, /^ws:\/\/127\.0\.0\.1:\d+\/ws: 4 rules, at most 21 requests, 100000 a second\n$/, 'what is told beforehand')
  t.match(stdout, /^upgrade\n {2}OPEN {5}no-ticket/)
  t.match(stdout, /seen: {5}101.*\n.*so: .*\n.*cure: .*\n.*required: 5\.1/)
  t.match(stdout, /locked {3}foreign-origin/)
  t.match(stdout, /skipped {2}ticket-hash .*\n {11}nobody can see it from outside/)
  t.match(stdout, /3 locked, 1 open, 0 unknown, 2 skipped; \d+ of at most 21 requests, \d+\.\d s\n$/)
})

t.test('weak is not open, unless it is told to be', async t => {
  const { code, stdout } = await against(t, { compression: true })
  t.equal(code, ExitCode.LOCKED)
  t.match(stdout, /weak {5}compression/)
  t.equal((await against(t, { compression: true }, ['--strict'])).code, ExitCode.OPEN)
})

t.test('an honest client that does not get in', async t => {
  const { code, stdout } = await against(t, {}, [], { env: { AIRLOCK_TOKEN: 'opaque' } })
  t.equal(code, ExitCode.NOT_EXAMINED)
  t.match(stdout, /Much was not looked at: an honest client does not get in/)
})

t.test('on a terminal: colors and progress', async t => {
  const { stdout, stderr } = await against(t, { noDoorOne: true, compression: true }, [], { tty: true })
  t.ok(stdout.includes('\u001b['))
  t.ok(stderr.includes('\r\u001b[K1/4 no-ticket: OPEN\r'))
  t.ok(stderr.includes('\r\u001b[K4/4 ') && stderr.endsWith('\r\u001b[K'))
  t.notOk((await against(t, {}, [], { tty: true, env: { ...env, NO_COLOR: '1' } })).stdout.includes('\u001b'))
})

t.test('TAP', async t => {
  const { stdout } = await against(t, { noDoorOne: true, compression: true }, ['--format', 'tap'])
  const results = Parser.parse(stdout)
  const asserts = results.flatMap(event => event[0] === 'assert' ? [event[1]] : [])
  t.equal(asserts.length, 6)
  t.match(asserts.find(({ name }) => name.startsWith('no-ticket')), { ok: false, diag: { evidence: '101: the upgrade was accepted', cure: /guard/ } })
  t.match(asserts.find(({ name }) => name.startsWith('compression')), { ok: false, todo: /should/ })
  t.match(asserts.find(({ name }) => name.startsWith('ticket-hash')), { ok: true, skip: /nobody/ })
})

t.test('JSON', async t => {
  const { stdout } = await against(t, { noDoorOne: true }, ['--format', 'json'])
  t.match(JSON.parse(stdout), { counts: { fail: 1 }, findings: [{ rule: 'no-ticket', result: 'fail', section: /5\.1/ }], plan: { requests: 21 } })
})

t.test('JUnit', async t => {
  const { stdout } = await against(t, { noDoorOne: true }, ['--format', 'junit'])
  t.match(stdout, /<testsuite name="airlock-doctor ws:\/\/[^"]*" tests="6" failures="1" skipped="2"/)
  t.match(stdout, /<testcase classname="upgrade" name="no-ticket: [^"]*" time="[\d.e-]+"><failure type="must" message="101/)
  t.match(stdout, /<skipped message="nobody can see it from outside"\/>/)
  const report = makeReport({ url: 'ws://x/?a=<&">', plan: { rules: 0, requests: 0, rate: 1 }, sent: 0, took: 0, honest: null, findings: [{ rule: rules[0] as typeof rules[0] & object, result: 'unknown', evidence: 'a\u0000b\u001bc\td', took: 0 }] })
  t.match(junitReport(report), /ws:\/\/x\/\?a=&lt;&amp;&quot;&gt;/)
  t.match(junitReport(report), /a\ufffdb\ufffdc/)
  t.match(tapReport(report), /^ok 1 - no-ticket: .* # SKIP unknown: a/m)
  t.match(terminalReport(report, false), /unknown {2}no-ticket/)
  t.equal(exitCodeOf(report, true), ExitCode.LOCKED)
})

t.test('tokens from standard input', async t => {
  for (const stdin of [`${token}\n`, `AIRLOCK_TOKEN=${token}\nAIRLOCK_TOKEN_2=x\n`]) {
    const { code, stdout } = await against(t, {}, ['--stdin'], { env: {}, stdin })
    t.equal(code, 0, stdout)
    t.match(stdout, /locked {3}ticket-method/)
  }
})

t.test('no token is an argument', async t => {
  for (const args of [['--token', 'x'], ['--token=x'], ['--jwt=x'], ['--cookie', 'a=b'], ['-H', 'Authorization: x'], ['--authorization', 'x'], ['--bearer-token=x'], [`ws://x/ws?token=${token}`], [token], ['--echo', token]]) {
    const { code, stderr, stdout } = await command(args)
    t.equal(code, ExitCode.USAGE, args.join(' '))
    t.match(stderr, /A token is no argument: .* AIRLOCK_TOKEN,.* --stdin/, args.join(' '))
    t.equal(stdout, '')
    t.notOk(stderr.includes(token))
  }
})

t.test('wrong command lines', async t => {
  for (const [args, message] of [
    [[], 'Name the WebSocket'],
    [['ws://x', 'ws://y'], 'One URL, and not 2'],
    [['--nonsense'], "Unknown option '--nonsense'. See --help"],
    [['ws://x', '--rate'], 'argument missing'],
    [['ws://x', '--format', 'pdf'], '--format is terminal, tap, json, junit'],
    [['ws://x', '--auth-ok', '{'], '--auth-ok is JSON'],
    [['ws://x', '--ca', '/no/such/file'], '--ca: the file cannot be read (ENOENT)'],
    [['nonsense', '--ticket', '/ws/ticket'], 'url: must be a URL'],
    [['ws://x', '--rate', 'fast'], 'rate: must be a number'],
    [['ws://x', '--only', 'nothing'], 'there is no rule nothing']
  ] as Array<[string[], string]>) {
    const { code, stderr } = await command(args)
    t.equal(code, ExitCode.USAGE, args.join(' '))
    t.ok(stderr.startsWith('airlock-doctor: ') && stderr.includes(message), stderr)
  }
})

t.test('what a command line can say reaches the examination', async t => {
  const { port } = await startServer(t)
  const { code, stdout, stderr } = await command([
    `ws://127.0.0.1:${port}/ws`, '--ticket', `http://127.0.0.1:${port}/ws/ticket`, '--auth-ok', '{"type":"auth_ok"}', '--refresh-ok', '{"type":"refresh_ok"}', '--no-refresh', '--no-subprotocol', '--carrier', 'query',
    '--no-race', '--insecure', '--ca', fixture('cert.pem'), '--drain', '20', '--only', 'drain', '--only', 'ticket-race', '--only', 'refresh', '--only', 'wrong-subprotocol', '--skip', 'refresh', '--patience', '120000'
  ], { env })
  t.equal(code, 0)
  t.match(stderr, /Restart the server now\./)
  t.match(stdout, /skipped {2}ticket-race .*\n.*--race allows them/)
  t.match(stdout, /skipped {2}wrong-subprotocol .*\n.*--no-subprotocol/)
  t.match(stdout, /unknown {2}drain/)
  t.notMatch(stdout, /refresh/)
  const race = await command(['ws://app.example.com/ws', '--connect-to', `127.0.0.1:${port}`, '--race', '--only', 'ticket-race', '--ticket', '/ws/ticket', '--rate', '100000', '--patience', '120000', '--origin', 'http://app.example.com'], { env })
  t.match(race.stdout, /locked {3}ticket-race/)
})

t.test('help, version and list', async t => {
  const { stdout } = await command(['--help'])
  for (const { name } of ARGUMENTS) t.match(stdout, new RegExp(`^ {2}--${name}[ \\n]`, 'm'), name)
  for (const name of Object.keys(VARIABLES)) t.ok(stdout.includes(name))
  t.match((await command(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
  t.equal((await command(['--list'])).stdout.trim().split('\n').length, rules.length)
})

t.test('a fault of the doctor\'s own is not taken for a finding', async t => {
  await t.rejects(main(['--stdin', 'ws://x'], { env: {}, stdin: Readable.from((async function * () { throw new Error('broken') })()), stdout: process.stdout, stderr: process.stderr }), { message: 'broken' })
})

t.test('as a process', async t => {
  const { port } = await startServer(t, { ajar: { noDoorOne: true } })
  const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('../src/bin.ts', import.meta.url)), `ws://127.0.0.1:${port}/ws`, '--only', 'no-ticket'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  t.equal(code, 1)
  t.match(output, /OPEN {5}no-ticket/)
})
