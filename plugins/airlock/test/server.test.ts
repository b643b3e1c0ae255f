import { hubPlacesOf, type Places } from '@fastify-airlock/core'
import t from 'tap'
import { build, jwt, listen } from './helpers.js'
import { serverOptions } from '../src/index.js'

t.test('the preset bounds what Fastify leaves open, and nothing that the application has set', async t => {
  for (const [options, server, expected] of [
    [{}, {}, { requestTimeout: 30_000, headersTimeout: 15_000, timeout: 60_000, keepAliveTimeout: 72_000, maxConnections: 50_000 }],
    [{}, { requestTimeout: 5_000, connectionTimeout: 7_000 }, { requestTimeout: 5_000, headersTimeout: 5_000, timeout: 7_000, maxConnections: 50_000 }],
    [{}, serverOptions({ headersTimeout: 9_000 }), { requestTimeout: 30_000, headersTimeout: 9_000 }],
    [{ server: { requestTimeout: 0, maxConnections: 12 } }, {}, { requestTimeout: 0, headersTimeout: 15_000, maxConnections: 12 }],
    [{ server: { headersTimeout: 1, connectionTimeout: 2, keepAliveTimeout: 3 } }, {}, { headersTimeout: 1, timeout: 2, keepAliveTimeout: 3 }],
    [{ server: false as const }, {}, { requestTimeout: 0, headersTimeout: 60_000, timeout: 0, maxConnections: undefined }]
  ] as const) {
    const { app } = await build(t, { jwt, ...options }, server)
    t.match(app.server, expected)
  }
})

t.test('limits that are none', async t => {
  for (const server of [{ requestTimeout: -1 }, { headersTimeout: '5' }, { connectionTimeout: 1.5 }, { keepAliveTimeout: Infinity }, { maxConnections: 0 }, { handshakeTimeout: 5 }, true, 'no']) {
    await t.rejects(build(t, { jwt, server: server as never }), { code: 'WSA_AIRLOCK_ERR_OPTION', message: /server/ }, JSON.stringify(server))
  }
})

t.test('a full node refuses upgrades of the routes that lead into its hub, and no others', async t => {
  const { app } = await build(t, { jwt, hub: { maxConnections: 1 } })
  app.wsRoute('/ws', () => {})
  app.wsRoute('/upgrade-alone', { handshake: false }, () => {})
  app.wsRoute('/frame-alone', { guard: false }, () => {})
  app.wsRoute('/outside', { hub: false }, () => {})
  app.wsRoute('/outside-alone', { hub: false, handshake: false }, () => {})
  app.wsRoute('/said-so', { handshake: false, hub: false, guard: { hub: true } }, () => {})
  const { connect, ticket } = await listen(t, app)
  const first = await connect(`/upgrade-alone?ticket=${await ticket('alice')}`)
  t.equal(app.wsHub.count(), 1)
  t.equal((hubPlacesOf(app) as Places).taken, 0)
  for (const path of ['/ws', '/upgrade-alone', '/said-so']) {
    const kept = await ticket('alice')
    await t.rejects(connect(`${path}?ticket=${kept}`), { message: 'HTTP 503 WSA_GUARD_ERR_FULL' }, path)
    t.match(await app.wsTickets.redeem(kept), { subject: 'alice' })
  }
  await t.rejects(connect('/frame-alone'), { message: 'HTTP 503 WSA_HANDSHAKE_ERR_FULL' })
  for (const path of ['/outside', '/outside-alone']) await connect(`${path}?ticket=${await ticket('alice')}`)
  first.socket.terminate()
  while (app.wsHub.count() > 0) await new Promise(resolve => setTimeout(resolve, 5))
  await connect(`/upgrade-alone?ticket=${await ticket('alice')}`)
})
