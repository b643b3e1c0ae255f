import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { build, listen, login, pass } from './helpers.js'

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
