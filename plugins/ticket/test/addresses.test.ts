import t from 'tap'
import { build, logged, signedIn } from './helpers.js'

const POST = { method: 'POST', url: '/ws/ticket' } as const

t.test('bindAddress without an address is a 500 with its cure, in one line of the log', async t => {
  const { lines, options } = logged()
  const app = await build(t, { bindAddress: true }, options, async app => {
    // As over a Unix socket; the tests across plugins have a real one.
    app.addHook('onRequest', async request => { Object.defineProperty(request, 'ip', { value: undefined }) })
  })
  for (let i = 0; i < 3; i++) {
    const response = await app.inject({ ...POST, headers: signedIn(app) })
    t.match(response.json(), { statusCode: 500, code: 'WSA_TICKET_ERR_NO_ADDRESS', error: 'Internal Server Error', message: /trustProxy/ })
    t.equal(response.headers['cache-control'], 'no-store')
  }
  t.equal(lines.filter(line => line.includes('trustProxy')).length, 1)
})

t.test('a bound ticket that is presented without an address is refused, and the log says why, once', async t => {
  const { lines, options } = logged()
  const app = await build(t, {}, options)
  await app.ready()
  for (let i = 0; i < 2; i++) {
    const { ticket } = await app.wsTickets.issue('alice', { ip: '192.0.2.7' })
    t.equal(await app.wsTickets.redeem(ticket, { ip: undefined }), null)
  }
  t.equal(lines.filter(line => line.includes('presented without one')).length, 1)
  const { ticket } = await app.wsTickets.issue('alice')
  t.ok(await app.wsTickets.redeem(ticket), 'one that is not bound needs no address')
})

t.test('prefix, logLevel and logSerializers of register are those of the route', async t => {
  const { lines, options } = logged()
  const app = await build(t, {
    prefix: '/api', logLevel: 'info', logSerializers: { req: () => 'a request for a ticket' }
  } as object, { ...options, logger: { ...(options.logger as object), level: 'trace' } } as typeof options)
  t.equal((await app.inject({ ...POST, url: '/api/ws/ticket', headers: signedIn(app) })).statusCode, 201)
  t.match(lines.join(''), '"a request for a ticket"')
  const quiet = logged()
  const another = await build(t, { logLevel: 'silent' } as object, quiet.options)
  t.equal((await another.inject({ ...POST, headers: signedIn(another) })).statusCode, 201)
  t.equal(quiet.lines.filter(line => line.includes('incoming request')).length, 0)
})
