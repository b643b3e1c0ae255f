import { findChromium, requireServer } from '@fastify-airlock/test-servers'
import Fastify from 'fastify'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import t, { type Test } from 'tap'
import { connect } from '../client.js'
import { freePort } from '../servers/src/port.js'
import { nextRoutes } from './servers-next.js'

const root = resolve(import.meta.dirname, '../..')
const source = join(import.meta.dirname, 'next-app')
const built = ['client', 'react', 'protocol'].every(name => existsSync(join(root, 'packages', name, 'dist')))

t.setTimeout(300_000)

t.test('docs/recipes/nextjs.md has exactly the code that runs here', async t => {
  const document = await readFile(join(root, 'docs/recipes/nextjs.md'), 'utf8')
  for (const [language, path] of [['ts', '../servers-next.ts'], ['js', 'next.config.mjs'], ['tsx', 'app/chat.tsx']] as const) {
    t.ok(document.includes(`\`\`\`${language}\n${await readFile(join(source, path), 'utf8')}\`\`\``), path)
  }
})

/** Builds the application, once for all tests: it takes half of their time. */
async function buildPages (t: Test, api: string): Promise<string> {
  const folder = t.testdir({
    // Here the packages come from the root of the repository.
    'next.config.mjs': `
      import config from './recipe.config.mjs'
      const root = ${JSON.stringify(root)}
      export default { ...config, outputFileTracingRoot: root, turbopack: { root }, typescript: { ignoreBuildErrors: true } }`,
    'package.json': '{ "private": true, "type": "module" }'
  })
  await cp(join(source, 'app'), join(folder, 'app'), { recursive: true })
  await cp(join(source, 'next.config.mjs'), join(folder, 'recipe.config.mjs'))
  const next = createRequire(import.meta.url).resolve('next/dist/bin/next')
  await promisify(execFile)(process.execPath, [next, 'build', folder], { cwd: folder, env: environment({ API_URL: api }) })
  const standalone = join(folder, '.next/standalone', folder.slice(root.length))
  await cp(join(folder, '.next/static'), join(standalone, '.next/static'), { recursive: true })
  return join(standalone, 'server.js')
}

/** What a production machine has, and not what the tests run with. */
function environment (more: Record<string, string>): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env
  return { PATH, HOME, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', ...more }
}

/** Starts the server, and returns what it has said of errors so far. */
async function start (t: Test, server: string, env: Record<string, string>): Promise<() => string> {
  const child: ChildProcess = spawn(process.execPath, [server], { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr?.on('data', chunk => { errors += String(chunk) })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  for await (const line of createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })) if (line.includes('Ready')) break
  child.stdout?.resume()
  return () => errors
}

t.test('a real Next.js, with Fastify behind it and beside it', { skip: !built && 'the packages are not built: npm run test:interop does that' }, async t => {
  const found = requireServer(t, findChromium())
  if (found === null) return
  const port = await freePort()
  const pages = `http://localhost:${port}`
  const app = Fastify({ trustProxy: '127.0.0.1', forceCloseConnections: true })
  t.teardown(() => app.close())
  const seen: Array<Record<string, unknown>> = []
  app.addHook('onRequest', async ({ url, ip, headers }) => { seen.push({ url, ip, host: headers.host, forwardedHost: headers['x-forwarded-host'], origin: headers.origin }) })
  await nextRoutes(app, { pages: [pages], secret: 'a secret for tests that is long enough' })
  const api = await app.listen({ port: 0, host: '127.0.0.1' })
  const apiPort = new URL(api).port

  const server = await buildPages(t, api)
  const errors = await start(t, server, { PORT: `${port}`, HOSTNAME: '127.0.0.1', PUBLIC_API_URL: `http://localhost:${apiPort}` })

  t.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), '<p id="status">idle</p>', 'on the server the hook does nothing')

  const browser = await chromium.launch({ executablePath: found.path, args: ['--no-sandbox', '--disable-gpu', '--host-resolver-rules=MAP localhost 127.0.0.1'] })
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  const problems: string[] = []
  page.on('pageerror', error => problems.push(String(error)))
  const urls: string[] = []
  page.on('request', request => urls.push(request.url()))
  page.on('websocket', socket => urls.push(socket.url()))
  const status = async (text: string): Promise<void> => { await page.locator('#status', { hasText: text }).waitFor({ timeout: 60_000 }) }
  const askedOf = (path: string): string[] => [...new Set(urls.filter(url => new URL(url).pathname === path).map(url => new URL(url).host))]

  await page.goto(`${pages}/`)
  await status('closed')
  t.same(askedOf('/ws'), [], 'without a session there is no ticket, and so no socket')

  await page.evaluate(async () => { await fetch('/api/login', { method: 'POST' }) })
  t.match(await page.context().cookies(), [{ name: 'session', httpOnly: true, sameSite: 'Lax' }])

  for (const [path, asked] of [['/', `localhost:${port}`], ['/beside', `localhost:${apiPort}`]] as const) {
    urls.length = seen.length = 0
    await page.goto(pages + path)
    await status('open')
    await page.getByRole('button').click()
    await page.locator('#answer', { hasText: 'alice: hello' }).waitFor({ timeout: 60_000 })
    t.same([askedOf('/ws/ticket'), askedOf('/ws')], [[asked], [asked]], `${path} asks ${asked}`)
    // Next.js names itself in another header.
    const host = path === '/' ? `127.0.0.1:${apiPort}` : `localhost:${apiPort}`
    t.strictSame(seen.find(({ url }) => url === '/ws'), { url: '/ws', ip: '127.0.0.1', host, forwardedHost: path === '/' ? `localhost:${port}` : undefined, origin: pages })
    t.equal(app.wsHub.count(), 1, 'one socket, and none is left of the page before')
  }
  t.same(problems, [])

  // The same door, without a browser, through Next.js.
  const ticket = async (): Promise<string> => (await app.wsTickets.issue('alice')).ticket
  const upgrade = async (origin: string, ticket: string) => await connect(t, `ws://127.0.0.1:${port}/ws`, ['airlock.v1', `ticket.${ticket}`], { origin })
  await t.rejects(upgrade('https://evil.example', await ticket()), { message: /^HTTP 403 WSA_GUARD_ERR_ORIGIN/ }, 'a page of another site')
  await t.rejects(upgrade(pages, 'invented'), { message: /^HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL/ }, 'the answer arrives as it is')
  const { socket, closed } = await upgrade(pages, await ticket())
  t.equal(socket.protocol, 'airlock.v1')
  app.wsHub.disconnect('alice', { reason: 'logged out' })
  t.equal(await closed, '4403 logged out', 'so does a close code')
  await status('closed')

  // A form of another site, with the cookie of the browser; and an address that a client claims.
  const form = request(`http://127.0.0.1:${port}/ws/ticket`, {
    method: 'POST',
    headers: { cookie: 'session=any', origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': '203.0.113.7' }
  })
  const [{ statusCode }] = await once(form.end('a=b'), 'response') as [{ statusCode: number }]
  t.equal(statusCode, 403)
  t.match(seen.at(-1), { url: '/ws/ticket', ip: '203.0.113.7' }, 'Next.js passes it on')

  await app.close()
  t.equal((await fetch(`http://127.0.0.1:${port}/ws/ticket?ticket=seen`, { method: 'POST' })).status, 500)
  while (!errors().includes('ticket=seen')) await new Promise(resolve => setTimeout(resolve, 20))
  t.pass('a query is in the log of errors')
})
