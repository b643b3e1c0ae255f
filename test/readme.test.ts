import fastifyJwt from '@fastify/jwt'
import { transform } from 'esbuild'
import Fastify from 'fastify'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { bundle } from './browser/bundle.js'
import { openBrowser } from './browser/chromium.js'
import { connect } from './helpers.js'

const root = resolve(import.meta.dirname, '..')
const fixtures = join(root, 'apps/demo/test/fixtures')
const SECRET = 'a secret of the quick start, 32 characters or more'
/** What the server of the README allows. */
const ORIGIN = 'https://app.example.com'

const { preset, server, browser, react } = await blocks()

t.test('the blocks are as short as the README should be', async t => {
  t.ok(lines(preset) <= 10, `preset: ${lines(preset)} of 10 lines`)
  t.ok(lines(server) <= 20, `server: ${lines(server)} of 20 lines`)
  t.ok(lines(react) <= 15, `React: ${lines(react)} of 15 lines`)
  t.ok(lines(browser) <= 5, `browser: ${lines(browser)} of 5 lines`)
})

for (const [name, block] of [['preset', preset], ['single plugins', server]] as const) {
  t.test(`the server runs as it stands there: ${name}`, async t => {
    const { url, sign, enter, warnings } = await startServer(t, block)
    t.same(warnings, [], 'there is nothing to warn of')
    const alice = await enter('alice')
    const bob = await enter('bob')
    alice.socket.send('hello')
    t.same(await alice.next(), { from: 'alice', text: 'hello' })
    t.same(await bob.next(), { from: 'alice', text: 'hello' }, 'everybody gets what one says')

    const { ticket, protocol } = await (await fetch(`${url}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${sign('alice')}` } })).json() as Record<string, string>
    const attempt = async (origin: string) => await connect(t, `${url.replace('http', 'ws')}/ws`, [protocol as string, `ticket.${ticket}`], { origin })
    await t.rejects(attempt('https://evil.example'), { message: 'HTTP 403 WSA_GUARD_ERR_ORIGIN' })
    const carol = await attempt(ORIGIN)
    await t.rejects(attempt(ORIGIN), { message: 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL' })
    carol.send({ type: 'auth', token: sign('bob') })
    t.equal(await carol.closed, '4403 subject mismatch')
    t.equal((await fetch(`${url}/ws/ticket`, { method: 'POST' })).status, 401)
  })
}

t.test('in a browser', async t => {
  const site = await openSite(t)
  if (site === null) return
  const { enter, sign } = site

  await t.test('the lines run as they stand there', async t => {
    const { page, problems } = await site.open(t)
    const logged: string[] = []
    page.on('console', message => logged.push(message.text()))
    await page.evaluate(jwt => Object.assign(globalThis, { jwt }), sign('alice'))
    const authenticated = page.waitForEvent('console', { predicate: message => message.text().includes('auth_ok') })
    await page.addScriptTag({ type: 'module', content: browser })
    t.match(JSON.parse((await authenticated).text()), { type: 'auth_ok', user: { id: 'alice' } })

    const message = page.waitForEvent('console')
    const bob = await enter('bob')
    bob.socket.send('hello')
    t.same(JSON.parse((await message).text()), { from: 'bob', text: 'hello' })
    t.equal(logged.length, 2)
    t.same(problems, [], 'the console is clean')
  })

  await t.test('the React component runs', async t => {
    const { page, problems } = await site.open(t)
    const name = /export (?:default )?function (\w+)/.exec(react)?.[1]
    const script = await bundle(`${react}
      import { createRoot } from 'react-dom/client'
      createRoot(document.querySelector('main')!).render(<${name} jwt=${JSON.stringify(sign('alice'))} />)`)
    await page.addScriptTag({ type: 'module', content: script })
    const button = page.getByRole('button')
    await page.locator('button:enabled').waitFor()
    const bob = await enter('bob')
    await button.click()
    t.same(await bob.next(), { from: 'alice', text: '"hello"' }, 'it sends')
    await page.getByText('alice: "hello"').waitFor()
    bob.socket.send('hi')
    await page.getByText('bob: hi').waitFor()
    t.pass('it receives')
    t.same(problems, [], 'the console is clean')
  })
})

/** The blocks of the README's section on use. */
async function blocks () {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const [, section] = /^## Use it\n(.*?)^## /ms.exec(readme) ?? []
  const blocks = (language: string, count: number): string[] => {
    const found = [...(section ?? '').matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))]
    if (found.length !== count) throw new Error(`README.md, "Use it": ${found.length} blocks of ${language} in place of ${count}`)
    return found.map(([, block]) => block as string)
  }
  const [preset, server] = blocks('ts', 2) as [string, string]
  const [[browser], [react]] = [blocks('js', 1), blocks('tsx', 1)] as [[string], [string]]
  return { preset, server, browser, react }
}

function lines (block: string): number {
  return block.trimEnd().split('\n').length
}

/** A server block as a process. Only its types are taken out, and its port is any that is free. */
async function startServer (t: Test, block = preset) {
  const { code } = await transform(block.replace('port: 3000', 'port: 0'), { loader: 'ts' })
  // What comes by standard input is resolved from the working directory: the root, which has all of the packages.
  const child = spawn(process.execPath, ['--import', './test/runner/register.js', '--conditions=@fastify-airlock/source', '--input-type=module', '-'], {
    cwd: root,
    env: { ...process.env, JWT_SECRET: SECRET },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  child.stdin.end(code)
  const warnings: string[] = []
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the server ended with ${code}`)))
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.includes('"level":40')) warnings.push(line)
      const [, port] = /listening at http:\/\/.*:(\d+)/.exec(line) ?? []
      if (port !== undefined) resolve(Number(port))
    })
  })
  const url = `http://localhost:${port}`
  const signer = Fastify()
  t.teardown(() => signer.close())
  await signer.register(fastifyJwt, { secret: SECRET })
  const sign = (sub: string): string => signer.jwt.sign({ sub }, { expiresIn: 600 })
  return {
    url,
    port,
    /** What the server has warned of so far. */
    warnings,
    sign,
    /** Through both doors. */
    enter: async (sub: string) => {
      const token = sign(sub)
      const response = await fetch(`${url}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
      const { ticket, protocol } = await response.json() as { ticket: string, protocol: string }
      const client = await connect(t, `ws://localhost:${port}/ws`, [protocol, `ticket.${ticket}`], { origin: ORIGIN })
      client.send({ type: 'auth', token })
      const { type } = await client.next()
      if (type !== 'auth_ok') throw new Error(`${type as string} in place of auth_ok`)
      return client
    }
  }
}

/** Empty pages of the README's origin, whose host is the server of the README behind TLS. */
async function openSite (t: Test) {
  const server = await startServer(t)
  const tls = createTlsServer({
    cert: await readFile(join(fixtures, 'cert.pem')),
    key: await readFile(join(fixtures, 'key.pem'))
  }, socket => {
    const inner = connectTcp(server.port, 'localhost')
    socket.on('error', () => inner.destroy()).on('close', () => inner.destroy()).pipe(inner)
    inner.on('error', () => socket.destroy()).on('close', () => socket.destroy()).pipe(socket)
  })
  tls.listen(0, '127.0.0.1')
  await once(tls, 'listening')
  t.teardown(() => tls.close())
  const chromium = await openBrowser(t, `--host-resolver-rules=MAP app.example.com:443 127.0.0.1:${(tls.address() as AddressInfo).port}`)
  if (chromium === null) return null
  return {
    ...server,
    /** A page with cookies of its own, which goes with the test. */
    open: async (t: Test) => {
      // Since the page comes from nowhere, Chromium takes its server for one of the local network.
      const context = await chromium.newContext({ ignoreHTTPSErrors: true, permissions: ['local-network-access'] })
      t.teardown(() => context.close())
      const watched = await chromium.newPage(context)
      await watched.page.route(`${ORIGIN}/`, route => route.fulfill({
        contentType: 'text/html',
        body: '<!doctype html><link rel="icon" href="data:,"><title>quick start</title><main></main>'
      }))
      await watched.page.goto(ORIGIN)
      return watched
    }
  }
}
