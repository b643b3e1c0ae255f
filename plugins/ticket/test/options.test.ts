import t from 'tap'
import { MemoryStore, wsTickets, type WsTicketsOptions } from '../src/index.js'
import { bare, storeWith } from './helpers.js'

t.test('a wrong option is refused at registration, by name', async t => {
  const authenticate = async () => {}
  const cases: Array<[unknown, RegExp]> = [
    [{ tll: 1 }, /tll: /],
    [{ ttl: 0 }, /ttl: /],
    [{ ttl: 900_001 }, /ttl: /],
    [{ ttl: 0.5 }, /ttl: /],
    [{ audience: '' }, /audience: /],
    [{ reuse: 'yes' }, /reuse: /],
    [{ bindOrigin: 1 }, /bindOrigin: /],
    [{ bindAddress: 1 }, /bindAddress: /],
    [{ storeTimeout: Infinity }, /storeTimeout: /],
    [{ store: MemoryStore }, /store: Expected an instance/],
    [{ now: 1 }, /now: /],
    [{ prefix: 1 }, /prefix: /],
    [{ route: true }, /route: /],
    [{ route: { paht: '/' } }, /route\.paht: /],
    [{ route: { path: 'ticket' } }, /route\.path: /],
    [{ route: { authenticate: [] } }, /route\.authenticate: /],
    [{ route: { authenticate, hook: 'preParsing' } }, /route\.hook: /],
    [{ route: { authenticate, subject: 'sub' } }, /route\.subject: /],
    [{ route: { authenticate, claims: {} } }, /route\.claims: /],
    [{ route: { authenticate, audiences: [] } }, /route\.audiences: /],
    [{ route: { authenticate, security: ['bearer'] } }, /route\.security\.0: /],
    [{ route: { authenticate, rateLimit: true } }, /route\.rateLimit: /],
    [{ route: { authenticate, rateLimit: { max: 0 } } }, /route\.rateLimit\.max: /],
    [{ route: { authenticate, rateLimit: { max: 1 } } }, /route\.rateLimit: register @fastify\/rate-limit/]
  ]
  for (const [options, message] of cases) {
    const app = bare(t)
    app.register(wsTickets, options as WsTicketsOptions)
    await t.rejects(async () => { await app.ready() }, { code: 'WSA_TICKET_ERR_OPTION', message }, String(message))
  }
})

t.test('the bounds themselves are allowed', async t => {
  const app = bare(t)
  await app.register(wsTickets, { ttl: 900_000, storeTimeout: 1, store: storeWith({}), route: false })
  t.equal((await app.wsTickets.issue('alice')).expiresIn, 900)
  t.equal(app.wsTickets.audience, 'websocket')
})
