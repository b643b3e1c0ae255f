import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { isSkip, requireServer, rowOf, SERVER_NAMES, type ServerName, STARTERS } from '../src/index.js'

const GIVEN = Object.fromEntries(SERVER_NAMES.map(name => [rowOf(name).variable, `${name}://user:secret@${name}.example`]))
const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url))

function cli (t: Test, script: string, env: NodeJS.ProcessEnv = {}): { child: ChildProcess, output: () => string } {
  const child = spawn(process.execPath, [...process.execArgv, CLI, 'sh', '-c', script], { env: { ...process.env, ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
  return { child, output: () => text }
}

async function until (condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let i = 0; i < 600 && !await condition(); i++) await sleep(50)
  return condition()
}

function accepts (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => { socket.destroy(); resolve(true) })
    socket.on('error', () => resolve(false))
  })
}

t.test('a given server is used, and its address is not printed', async t => {
  const variables = Object.keys(GIVEN)
  const { child, output } = cli(t, `test "${variables.map(name => `$${name}`).join(' ')}" = "$EXPECTED" && exit 7`, {
    ...GIVEN,
    EXPECTED: Object.values(GIVEN).join(' ')
  })
  t.same(await once(child, 'close'), [7, null], 'the command\'s exit code')
  for (const name of SERVER_NAMES) t.match(output(), new RegExp(`^${name}: ${rowOf(name).variable}$`, 'm'))
  t.notMatch(output(), 'secret')
})

t.test('the command is told which were found', async t => {
  const { child, output } = cli(t, 'echo "found: $AIRLOCK_SERVERS,"', { ...GIVEN, CHROMIUM_PATH: process.execPath })
  await once(child, 'close')
  t.match(output(), `found: ${[...SERVER_NAMES, 'chromium'].join()},`)
})

t.test('a command that dies of a signal', async t => {
  const { child } = cli(t, 'kill -KILL $$', GIVEN)
  t.same(await once(child, 'close'), [137, null])
})

t.test('signals reach the command', async t => {
  const { child, output } = cli(t, 'trap "exit 3" TERM; echo started; while :; do sleep 0.1; done', GIVEN)
  t.ok(await until(() => output().includes('started')))
  child.kill('SIGTERM')
  t.same(await once(child, 'close'), [3, null])
})

for (const name of SERVER_NAMES) {
  const { variable } = rowOf(name)
  t.test(`${name}: a server dies with the process that started it, however that ends`, async t => {
    if (requireServer(t, await startThenStop(name)) === null) return
    // Not below the folder of the sources: a server that runs as nobody may not get there.
    const folder = await mkdtemp(join(tmpdir(), 'airlock-test-'))
    await chmod(folder, 0o755)
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    // The command ends with its standard input, so that nothing is left of it either.
    const { child, output } = cli(t, `echo "url=$${variable}"; read _`, { ...GIVEN, [variable]: '', TMPDIR: folder })
    t.ok(await until(() => output().includes(`url=${name}:`)), output())
    const port = Number(/url=.*:(\d+)/.exec(output())?.[1])
    t.ok(await accepts(port), 'it runs')
    t.equal((await data(folder, name)).length, 1)
    child.kill('SIGKILL')
    t.ok(await until(async () => !await accepts(port)), 'it is gone')
    t.ok(await until(async () => (await data(folder, name)).length === 0), 'with its data')
    child.stdin?.end()
  })
}

async function data (folder: string, name: string): Promise<string[]> {
  return (await readdir(folder)).filter(file => file.startsWith(`airlock-${name}-`))
}

async function startThenStop (name: ServerName) {
  const server = await STARTERS[name]()
  if (!isSkip(server)) await server.stop()
  return server
}
