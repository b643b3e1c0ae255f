import { build, transform } from 'esbuild'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { SCRIPT, serveRows } from './websocket-server.js'

const root = resolve(import.meta.dirname, '..')
const built = ['packages/client/dist', 'plugins/hub/dist', 'apps/demo/dist', 'apps/demo-page/dist'].every(folder => existsSync(join(root, folder)))

const CLIENT = `
import { connect } from '@fastify-airlock/client'
const [url, jwt] = process.argv.slice(2)
const connection = connect({
  url: url + '/ws',
  getTicket: ({ signal }) => fetch(url + '/ws/ticket', { method: 'POST', headers: { authorization: 'Bearer ' + jwt }, signal }),
  getToken: () => jwt,
  reconnect: false
})
connection.on('error', error => { console.log(String(error)) })
connection.on('message', message => {
  console.log('message', JSON.stringify(message))
  connection.close()
})
await connection.ready()
console.log('open', connection.user.id)
connection.send('hello')
await connection.closed
console.log('closed')
process.exit()
`

const ROWS = `${SCRIPT}
  const [origin, otherwise] = process.argv.slice(2)
  console.log('wrong', JSON.stringify((await globalThis.runOn(origin, true, JSON.parse(otherwise))).wrong))
  process.exit()
`

const SIGN = `
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
const app = Fastify()
await app.register(fastifyJwt, { secret: process.env.JWT_SECRET })
console.log(app.jwt.sign({ sub: 'alice' }, { expiresIn: 3600 }))
`

const runtimes = [
  { name: 'Bun', program: process.env.BUN_PATH, args: [], endsWell: true, otherwise: {} },
  // It reads the packages that npm has installed. A listener that is added while a signal is delivered gets the same signal
  // there, so that close-with-grace sees a second one and does not wait.
  {
    name: 'Deno',
    program: process.env.DENO_PATH,
    args: ['run', '--allow-all', '--node-modules-dir=manual'],
    endsWell: false,
    // Once it has begun to write its close frame, it takes a connection that is lost for one that was closed without a code.
    otherwise: { 'the connection is lost while it closes': [[2, ['close', 3, 1006, '', false]], [2, ['close', 3, 1005, '', true]]] }
  }
]

for (const { name, program, args, endsWell, otherwise } of runtimes) {
  const skip = program === undefined
    ? `${name.toUpperCase()}_PATH is not set: npm run test:runtimes installs ${name}`
    : !built && 'the packages are not built: npm run build'

  t.test(`${name}: the README's server, and the client`, { skip }, async t => {
    const folder = t.testdir({ 'server.mjs': await readmeServer(), 'client.mjs': CLIENT, 'sign.mjs': SIGN })
    const run = (file: string, ...more: string[]) => start(t, program as string, [...args, join(folder, file), ...more], {
      JWT_SECRET: 'a secret of the quick start, 32 characters or more'
    })
    const server = run('server.mjs')
    const [, url] = await server.line(/listening at (http:\/\/[^"\s]+)/) as unknown as [string, string]
    const [jwt] = await run('sign.mjs').line(/^[\w-]+\.[\w-]+\.[\w-]+$/)
    const client = run('client.mjs', url, jwt)
    await client.line(/^open alice$/)
    t.equal((await client.line(/^message (.*)$/))[1], JSON.stringify({ from: 'alice', text: '"hello"' }))
    await client.line(/^closed$/)
  })

  t.test(`${name}: the interface of the WebSocket for other libraries, behind both doors`, { skip }, async t => {
    const origin = await serveRows(t)
    const { outputFiles } = await build({
      stdin: { contents: ROWS, loader: 'ts', resolveDir: join(import.meta.dirname, 'browser') },
      bundle: true,
      write: false,
      format: 'esm',
      external: ['@fastify-airlock/*']
    })
    const folder = t.testdir({ 'rows.mjs': outputFiles[0]?.text as string })
    const [, text] = await start(t, program as string, [...args, join(folder, 'rows.mjs'), origin, JSON.stringify(otherwise)], {}).line(/^wrong (.*)$/) as unknown as [string, string]
    t.strictSame(JSON.parse(text), {})
  })

  t.test(`${name}: the demo starts, answers, and ends`, { skip }, async t => {
    const demo = start(t, program as string, [...args, join(root, 'apps/demo/dist/server.js')], { PORT: '0' })
    const [, url] = await demo.line(/open (http:\/\/[\d.:]+)/) as unknown as [string, string]
    t.equal((await fetch(`${url}/healthz`)).status, 200)
    t.match(await (await fetch(url)).text(), /<title>/)
    demo.child.kill('SIGTERM')
    const [code, signal] = await demo.exited
    t.equal(signal, null)
    if (endsWell) t.equal(code, 0, demo.errors())
  })
}

/** The server of the README without its types, on any port that is free. */
async function readmeServer (): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const [, block] = /^## Use it\n.*?^```ts\n(.*?)^```$/ms.exec(readme) as unknown as [string, string]
  return (await transform(block.replace('port: 3000', 'port: 0'), { loader: 'ts' })).code
}

/** Starts a program whose output can be waited for, line by line. */
function start (t: Test, program: string, args: string[], env: NodeJS.ProcessEnv) {
  const child: ChildProcess = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let errors = ''
  child.stderr?.on('data', chunk => { errors += chunk })
  const lines = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })[Symbol.asyncIterator]()
  return {
    child,
    exited,
    errors: () => errors,
    /** The next line that matches. */
    async line (pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        const { value, done } = await lines.next()
        if (done === true) throw new Error(`${args.join(' ')} ended:\n${errors}`)
        const found = pattern.exec(value)
        if (found !== null) return found
      }
    }
  }
}
