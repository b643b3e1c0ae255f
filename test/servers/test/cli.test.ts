import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { requireServer, startMongo } from '../src/index.js'

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
  const url = 'mongodb://user:secret@db.example'
  const { child, output } = cli(t, 'test "$MONGODB_URL" = "$EXPECTED" && exit 7', { MONGODB_URL: url, EXPECTED: url })
  t.same(await once(child, 'close'), [7, null], 'the command\'s exit code')
  t.match(output(), /^mongodb: MONGODB_URL$/m)
  t.notMatch(output(), 'secret')
})

t.test('a command that dies of a signal', async t => {
  const { child } = cli(t, 'kill -KILL $$', { MONGODB_URL: 'mongodb://db.example' })
  t.same(await once(child, 'close'), [137, null])
})

t.test('signals reach the command', async t => {
  const { child, output } = cli(t, 'trap "exit 3" TERM; echo started; while :; do sleep 0.1; done', { MONGODB_URL: 'mongodb://db.example' })
  t.ok(await until(() => output().includes('started')))
  child.kill('SIGTERM')
  t.same(await once(child, 'close'), [3, null])
})

t.test('a server dies with whoever started it, however that ends', async t => {
  if (requireServer(t, await startThenStop()) === null) return
  const folder = t.testdir()
  // The command ends with its standard input, so that nothing is left of it either.
  const { child, output } = cli(t, 'echo "url=$MONGODB_URL"; read _', { MONGODB_URL: '', TMPDIR: folder })
  t.ok(await until(() => output().includes('url=mongodb:')), output())
  const port = Number(/url=.*:(\d+)/.exec(output())?.[1])
  t.ok(await accepts(port), 'it runs')
  t.equal((await data(folder)).length, 1)
  child.kill('SIGKILL')
  t.ok(await until(async () => !await accepts(port)), 'it is gone')
  t.ok(await until(async () => (await data(folder)).length === 0), 'with its data')
  child.stdin?.end()
})

async function data (folder: string): Promise<string[]> {
  return (await readdir(folder)).filter(name => name.startsWith('airlock-mongo-'))
}

async function startThenStop () {
  const mongo = await startMongo()
  if ('stop' in mongo) await mongo.stop()
  return mongo
}
