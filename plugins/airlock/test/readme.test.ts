import { transform } from 'esbuild'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { bare, jwt } from './helpers.js'
import airlock from '../src/index.js'

const readme = await readFile(resolve(import.meta.dirname, '../README.md'), 'utf8')

t.test('the block under "Usage" runs as it stands there, in ten lines', async t => {
  const [, block = ''] = /^## Usage\n.*?^```ts\n(.*?)^```$/ms.exec(readme) ?? []
  t.ok(block.trimEnd().split('\n').length <= 10)
  await runs(t, block, 'module')
})

t.test('the block under "CommonJS" runs as it stands there', async t => {
  const [, block = ''] = /^### CommonJS\n.*?^```js\n(.*?)^```$/ms.exec(readme) ?? []
  await runs(t, block, 'commonjs')
})

async function runs (t: Test, block: string, type: string): Promise<void> {
  const { code } = await transform(block.replace('port: 3000', 'port: 0'), { loader: 'ts' })
  // What is required, and is TypeScript, no hook for imports reads.
  const loader = type === 'module' ? new URL('../../../test/runner/register.js', import.meta.url).href : 'tsx'
  const child = spawn(process.execPath, ['--import', loader, '--conditions=@fastify-airlock/source', `--input-type=${type}`, '-'], {
    cwd: resolve(import.meta.dirname, '..'),
    env: { ...process.env, JWT_SECRET: jwt.secret },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  child.stdin.end(code)
  const port = await new Promise<string>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', line => {
      const [, port] = /listening at http:\/\/.*:(\d+)/.exec(line) ?? []
      if (port !== undefined) resolve(port)
    })
  })
  const { app } = bare(t)
  await app.register(airlock, { jwt })
  await app.ready()
  const authorization = `Bearer ${app.jwt.sign({ sub: 'alice' }, { expiresIn: 600 })}`
  const url = `http://localhost:${port}`
  t.equal((await fetch(`${url}/ws/ticket`, { method: 'POST', headers: { authorization } })).status, 201)
  t.equal((await fetch(`${url}/ws/ticket`, { method: 'POST' })).status, 401)
}
