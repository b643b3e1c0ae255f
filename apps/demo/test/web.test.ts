import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { build, Client, listen, login, pass, portOf } from './helpers.js'

t.test('the page, confined to its own server', async t => {
  const { app } = await build(t)
  const response = await app.inject('/')
  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /^text\/html/)
  t.equal(response.headers['content-security-policy'],
    "default-src 'none';script-src 'self';style-src 'self';img-src 'self';connect-src 'self';form-action 'self';base-uri 'none';frame-ancestors 'none'")
  t.equal(response.headers['x-content-type-options'], 'nosniff')
  t.notOk(response.headers['strict-transport-security'], 'other servers on localhost stay reachable')
})

t.test('the page asks for nothing that is not there, or elsewhere', async t => {
  const { app } = await build(t)
  const { body } = await app.inject('/')
  const files = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file as string)
  t.ok(files.length >= 3)
  for (const file of files) t.equal((await app.inject(`/${file}`)).statusCode, 200, file)
  t.notMatch(body, /<script(?![^>]* src=)|<style|\sstyle=|\son\w+=/, 'no inline code or style')

  const folder = new URL('../public/', import.meta.url)
  for (const file of readdirSync(folder).filter(name => name.endsWith('.js'))) {
    const code = readFileSync(new URL(file, folder), 'utf8')
    for (const [, path] of code.matchAll(/from '([^']+)'/g)) {
      t.match(path, /^\.\//)
      t.equal((await app.inject(`/${path}`)).statusCode, 200, String(path))
    }
    t.notMatch(code, /innerHTML|outerHTML|insertAdjacentHTML|https?:\/\//, file)
  }
})

t.test('health', async t => {
  const { app, origin } = await listen(t)
  t.strictSame((await app.inject('/healthz')).json(), { status: 'ok', connections: 0, bus: 'none' })
  await pass(t, origin, await login(origin, 'alice'))
  t.strictSame((await app.inject('/healthz')).json(), { status: 'ok', connections: 1, bus: 'none' })
})

t.test('what is not there is 404 as JSON, and does not repeat the query', async t => {
  const { app } = await build(t)
  for (const url of ['/nothing?ticket=secret', '/ws/ticket?ticket=secret', '/../src/server.ts?ticket=secret']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 404, url)
    t.type(response.json().code, 'string')
    t.notMatch(response.body, /secret/)
  }
})

t.test('what nobody foresaw is told to the log and not to the client', async t => {
  const { app, lines } = await build(t)
  app.get('/boom', async () => { throw new Error('the inner workings') })
  app.get('/coded', async () => { throw Object.assign(new Error('try later'), { code: 'SOME_ERR', statusCode: 503 }) })
  const response = await app.inject('/boom')
  t.equal(response.statusCode, 500)
  t.strictSame(response.json(), {
    statusCode: 500, code: 'WSA_DEMO_ERR_INTERNAL', error: 'Internal Server Error', message: 'Something went wrong'
  })
  t.match(lines.join(''), /the inner workings/)
  t.match((await app.inject('/coded')).json(), { statusCode: 503, code: 'SOME_ERR', message: 'try later' })
})

// Made for localhost and 127.0.0.1, good for a hundred years and for nothing else.
const cert = fileURLToPath(new URL('fixtures/cert.pem', import.meta.url))
const key = fileURLToPath(new URL('fixtures/key.pem', import.meta.url))
const ca = readFileSync(cert)

function post (origin: string, path: string, headers: Record<string, string>, body = ''): Promise<{ headers: Record<string, any>, body: any }> {
  return new Promise((resolve, reject) => {
    const call = request(origin + path, { method: 'POST', ca, agent: false, headers }, async response => {
      let text = ''
      for await (const chunk of response) text += chunk
      resolve({ headers: response.headers, body: JSON.parse(text) })
    })
    call.on('error', reject)
    call.end(body)
  })
}

t.test('https and wss, given a certificate', async t => {
  const { app } = await build(t, { TLS_CERT: cert, TLS_KEY: key })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const origin = `https://localhost:${portOf(app)}`

  const session = await post(origin, '/login', { 'content-type': 'application/json' }, '{"username":"alice","password":"wonderland"}')
  t.match(session.headers['set-cookie'], [/^session=.*; Secure/])
  const { token } = session.body
  const { body: { ticket } } = await post(origin, '/ws/ticket', { authorization: `Bearer ${token}` })

  const client = new Client(t, origin, '/ws/demo', ['airlock.v1', `ticket.${ticket}`], { ca, origin })
  t.equal(client.socket.url.slice(0, 6), 'wss://')
  t.equal((await client.upgraded).status, 101)
  client.send({ type: 'auth', token })
  t.match(await client.next('auth_ok'), { user: { id: 'alice' } })
  t.match(await client.next('tick'), { n: 1 })
})
