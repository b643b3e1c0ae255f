import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { isSkip, type PrivateServer, requireServer, type Skip, startMongo, startRedis } from '../src/index.js'

const GIVEN = { MONGODB_URL: 'mongodb://db.example', REDIS_URL: 'redis://redis.example' }
const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url))

function cli (t: Test, script: string, env: NodeJS.ProcessEnv = {}): { child: ChildProcess, output: () => string } {
  const child = spawn(process.execPath, ['--import', 'tsx', CLI, 'sh', '-c', script], { env: { ...process.env, ...env } })
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
  const mongo = 'mongodb://user:secret@db.example'
  const redis = 'redis://user:secret@redis.example'
  const { child, output } = cli(t, 'test "$MONGODB_URL $REDIS_URL" = "$EXPECTED" && exit 7', {
    MONGODB_URL: mongo,
    REDIS_URL: redis,
    EXPECTED: `${mongo} ${redis}`
  })
  t.same(await once(child, 'close'), [7, null], 'the command\'s exit code')
  t.match(output(), /^mongodb: MONGODB_URL$/m)
  t.match(output(), /^redis: REDIS_URL$/m)
  t.notMatch(output(), 'secret')
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

for (const [scheme, variable, start] of [['mongodb', 'MONGODB_URL', startMongo], ['redis', 'REDIS_URL', startRedis]] as const) {
  t.test(`${scheme}: a server dies with whoever started it, however that ends`, async t => {
    if (requireServer(t, await startThenStop(start)) === null) return
    const folder = t.testdir()
    // The command ends with its standard input, so that nothing is left of it either.
    const { child, output } = cli(t, `echo "url=$${variable}"; read _`, { ...GIVEN, [variable]: '', TMPDIR: folder })
    t.ok(await until(() => output().includes(`url=${scheme}:`)), output())
    const port = Number(/url=.*:(\d+)/.exec(output())?.[1])
    t.ok(await accepts(port), 'it runs')
    t.equal((await data(folder, scheme)).length, 1)
    child.kill('SIGKILL')
    t.ok(await until(async () => !await accepts(port)), 'it is gone')
    t.ok(await until(async () => (await data(folder, scheme)).length === 0), 'with its data')
    child.stdin?.end()
  })
}

async function data (folder: string, scheme: string): Promise<string[]> {
  return (await readdir(folder)).filter(name => name.startsWith(`airlock-${scheme}-`))
}

async function startThenStop (start: () => Promise<PrivateServer | Skip>) {
  const server = await start()
  if (!isSkip(server)) await server.stop()
  return server
}
