import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { PROGRAMS, rowOf, SERVER_NAMES } from '../src/index.js'

const root = resolve(import.meta.dirname, '../../..')
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8')
const packages = PROGRAMS.map(row => row.package)

t.test('who needs the table finds it complete', async t => {
  const variables = PROGRAMS.flatMap(({ variable }) => variable ?? [])
  t.same(variables, [...SERVER_NAMES, 'chromium'].map(name => rowOf(name).variable), 'a starter for each that is given by a variable')
  t.throws(() => rowOf('nginx'), /no row nginx with a variable/)
})

t.test('turbo passes the variables on to the tests', async t => {
  const passed: string[] = JSON.parse(read('turbo.json')).globalPassThroughEnv
  for (const { variable } of PROGRAMS) if (variable !== undefined) t.ok(passed.includes(variable), variable)
})

t.test('CI installs the packages, and asks for them before anything is installed', async t => {
  const run = (...args: string[]): string[] =>
    execFileSync(process.execPath, ['test/servers/packages.js', ...args], { cwd: root, encoding: 'utf8' }).trim().split('\n')
  t.same(run(), packages)
  const lines = run('--checks')
  t.same(lines.map(line => line.split(' ', 1)[0]), packages)
  for (const line of lines) execFileSync('sh', ['-nc', line.slice(line.indexOf(' '))])
  t.match(read('.ci/run'), '< <(node test/servers/packages.js --checks)')
})

t.test('the README names the packages', async t => {
  t.match(read('README.md'), `\`apt-get install ${packages.join(' ')}\``)
})
