import t from 'tap'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { findChromium, isSkip, requireServer } from '../src/index.js'

function reporter () {
  const calls: unknown[][] = []
  return {
    calls,
    fail: (...args: unknown[]) => calls.push(['fail', ...args]),
    pass: (...args: unknown[]) => calls.push(['pass', ...args])
  }
}

function environment (t: { teardown (undo: () => void): void }, values: Record<string, string>): void {
  const before = { ...process.env }
  Object.assign(process.env, values)
  t.teardown(() => {
    for (const name of Object.keys(values)) delete process.env[name]
    Object.assign(process.env, before)
  })
}

t.test('what was found is handed on', async t => {
  const { calls, ...report } = reporter()
  const found = { path: '/usr/bin/thing' }
  t.equal(requireServer(report, found), found)
  t.same(calls, [])
})

t.test('without a server a suite skips, with the reason', async t => {
  environment(t, { CI: '' })
  const { calls, ...report } = reporter()
  t.equal(requireServer(report, { skip: 'no such thing' }), null)
  t.match(calls, [['pass', String, { skip: 'no such thing' }]])
})

t.test('with CI set it fails', async t => {
  environment(t, { CI: 'true' })
  const { calls, ...report } = reporter()
  t.equal(requireServer(report, { skip: 'no such thing' }), null)
  t.same(calls, [['fail', 'no such thing']])
})

t.test('a browser is taken from CHROMIUM_PATH, then from PATH', async t => {
  const folder = t.testdir({ 'google-chrome': '', 'not-executable': '' })
  const chrome = join(folder, 'google-chrome')
  await chmod(chrome, 0o755)
  environment(t, { PATH: folder, CHROMIUM_PATH: '' })
  t.same(findChromium(), { path: chrome })
  process.env.PATH = join(folder, 'nowhere')
  t.match(findChromium(), { skip: /^no chromium/ })
  process.env.CHROMIUM_PATH = chrome
  t.same(findChromium(), { path: chrome })
  process.env.CHROMIUM_PATH = join(folder, 'not-executable')
  t.ok(isSkip(findChromium()), 'what was named is not silently replaced')
})
