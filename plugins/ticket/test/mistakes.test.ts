import cluster from 'node:cluster'
import t, { type Test } from 'tap'
import { MemoryStore, wsTickets, type WsTicketsOptions } from '../src/index.js'
import { bare, build, logged, signedIn, storeWith } from './helpers.js'

/** The codes that a server with these options warns of at its start. */
async function codes (t: Test, options: WsTicketsOptions, wsHub?: object): Promise<string[]> {
  const { lines, options: server } = logged()
  const app = bare(t, server)
  if (wsHub !== undefined) app.decorate<unknown>('wsHub', wsHub)
  await app.register(wsTickets, { route: false, ...options })
  await app.ready()
  return lines.map(line => JSON.parse(line)).filter(({ level }) => level === 40).map(({ code }) => code)
}

t.test('methods may be taken from the decorator', async t => {
  const app = await build(t)
  const { issue, redeem, redeemNow, isUnknown, revoke } = app.wsTickets
  const { ticket } = await issue('alice')
  t.notOk(isUnknown(ticket))
  t.match(await redeem(ticket), { subject: 'alice' })
  t.equal(redeemNow(ticket), null)
  await issue('alice')
  t.equal(await revoke('alice'), 1)
})

t.test('tickets in the memory of one process among several are warned of', async t => {
  const withBus = { health: () => ({ bus: 'up' }) }
  t.same(await codes(t, {}), [], 'nothing is known of other nodes')
  t.same(await codes(t, {}, { health: () => ({ bus: 'none' }) }), [], 'a hub alone')
  t.same(await codes(t, {}, {}), [], 'a hub of another kind')
  t.same(await codes(t, {}, withBus), ['WSA_TICKET_WARN_MEMORY_STORE'])
  t.same(await codes(t, { store: new MemoryStore({ max: 5 }) }, withBus), ['WSA_TICKET_WARN_MEMORY_STORE'])
  t.same(await codes(t, { ignoreWarnings: ['WSA_TICKET_WARN_MEMORY_STORE'] }, withBus), [])
  t.same(await codes(t, { store: storeWith({}) }, withBus), [])
  t.intercept(cluster, 'isWorker', { value: true, configurable: true })
  t.same(await codes(t, {}), ['WSA_TICKET_WARN_MEMORY_STORE'])
  t.same(await codes(t, { store: storeWith({}) }), [])
})

t.test('a user without an id is explained once, with the cure that fits', async t => {
  for (const [route, message] of [
    [{}, /^request\.user has no sub, so nobody gets a ticket: set route\.subject/],
    [{ authenticate: async () => {} }, /^request\.user has no sub/],
    [{ authenticate: async () => {}, subject: () => undefined }, /^route\.subject returned no id/]
  ] as const) {
    const { lines, options } = logged()
    const app = await build(t, { route: route as never }, options)
    const authorization = `Bearer ${app.jwt.sign({ name: 'alice' }, { expiresIn: '1m' })}`
    for (let i = 0; i < 2; i++) {
      t.match((await app.inject({ method: 'POST', url: '/ws/ticket', headers: { ...signedIn(app), authorization } })).json(), { statusCode: 401, code: 'WSA_TICKET_ERR_UNAUTHENTICATED' })
    }
    const warnings = lines.map(line => JSON.parse(line)).filter(({ level }) => level === 40)
    t.match(warnings, [{ code: 'WSA_TICKET_WARN_NO_SUBJECT', msg: message }])
    t.equal(warnings.length, 1)
  }
})

t.test('an unknown option is named with the nearest, in nested objects and stores as well', async t => {
  for (const [options, message] of [
    [{ expires: 1 }, /unknown option `expires`\. Known options: store, /],
    [{ store: 'redis' }, /store: Expected an instance with put, take, revoke, close, not a string/],
    [{ route: { auth: 1, paths: 'x' } }, /route\.auth: unknown option `auth`/],
    [{ route: { paths: '/x' } }, /route\.paths: unknown option `paths`; did you mean `path`\?/],
    [{ route: { rateLimit: { window: 1 } } }, /unknown option `window`; did you mean `timeWindow`\?/],
    [{ route: { jwt: { cache: { maxTickets: 1 } } } }, /route\.jwt\.cache\.maxTickets: unknown option `maxTickets`; did you mean `max`\?/]
  ] as const) {
    const app = bare(t)
    app.register(wsTickets, options as never)
    await t.rejects(async () => { await app.ready() }, { code: 'WSA_TICKET_ERR_OPTION', message }, String(message))
  }
  t.throws(() => new MemoryStore({ maximum: 1 } as object), { code: 'WSA_TICKET_ERR_OPTION', message: /unknown option `maximum`/ })
})
