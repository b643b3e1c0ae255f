// Runs alone: the channels are those of the whole process.
import websocket from '@fastify/websocket'
import type { AuditEvent } from '@fastify-airlock/core'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub, { type WsHubOptions } from '@fastify-airlock/hub'
import wsIntrospect from '@fastify-airlock/introspect'
import Fastify from 'fastify'
import mqemitter from 'mqemitter'
import { channel, hasSubscribers } from 'node:diagnostics_channel'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { createMetrics, type Metrics, type MetricsOptions, type MetricsSources } from '../src/index.js'

const CHANNELS = ['airlock:guard:refuse', 'airlock:handshake:refuse', 'airlock:handshake:open', 'airlock:hub:refuse', 'airlock:guard:cut', 'airlock:introspect:ask']
const AUDIT = 'airlock:audit'

/** The metrics by name and labels. */
async function figures ({ registry }: Metrics): Promise<Record<string, number>> {
  return Object.fromEntries((await registry.metrics()).split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]))
}

function start (t: Test, sources?: MetricsSources, options?: MetricsOptions): Metrics {
  const metrics = createMetrics(sources, options)
  t.teardown(() => metrics.close())
  return metrics
}

async function build (t: Test, options: WsHubOptions = {}) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(wsHandshake, { jwt: { verify: async token => ({ sub: token, exp: Math.floor(Date.now() / 1000) + 600 }) }, authTimeout: 600_000 })
  await app.register(wsIntrospect, { lookup: () => null, header: true })
  await app.register(wsHub, options)
  await app.register(wsHeartbeat)
  return app
}

t.test('what happens is counted', async t => {
  const metrics = start(t)
  channel('airlock:guard:refuse').publish({ statusCode: 403, code: 'WSA_GUARD_ERR_ORIGIN' })
  channel('airlock:handshake:refuse').publish({ code: 4401, reason: 'token invalid' })
  channel('airlock:hub:refuse').publish({ reason: 'subject' })
  channel('airlock:handshake:open').publish({ duration: 20 })
  channel('airlock:introspect:ask').publish({ outcome: 'active', duration: 20 })
  for (const reason of ['full', 'stalled', 'stalled']) channel('airlock:guard:cut').publish({ code: 1006, reason, bytes: 5 })
  metrics.countResponse(200)
  metrics.countResponse(200)
  for (const code of ['WSA_TICKET_ERR_RATE', 'FST_ERR_VALIDATION', 'SOME_CODE', undefined]) metrics.countError(code)
  t.match(await figures(metrics), {
    'airlock_refusals_total{by="guard",code="WSA_GUARD_ERR_ORIGIN"}': 1,
    'airlock_refusals_total{by="handshake",code="4401"}': 1,
    'airlock_refusals_total{by="hub",code="subject"}': 1,
    'airlock_refusals_total{by="http",code="WSA_TICKET_ERR_RATE"}': 1,
    'airlock_refusals_total{by="http",code="FST_ERR_VALIDATION"}': 1,
    'airlock_refusals_total{by="http",code="other"}': 2,
    'airlock_handshake_duration_seconds_bucket{le="0.01"}': 0,
    'airlock_handshake_duration_seconds_bucket{le="0.025"}': 1,
    'airlock_introspect_duration_seconds_bucket{le="0.01"}': 0,
    'airlock_introspect_duration_seconds_bucket{le="0.025"}': 1,
    'airlock_cuts_total{reason="full"}': 1,
    'airlock_cuts_total{reason="stalled"}': 2,
    'airlock_http_responses_total{status="200"}': 2
  })
  t.notMatch(await metrics.registry.metrics(), /airlock_(?:connections|hub|heartbeat|bus|decisions)/, 'there is nothing to read from')
})

t.test('the state of an instance is read at each request', async t => {
  const app = await build(t)
  const metrics = start(t, app)
  app.get('/', { websocket: true }, (socket, request) => {
    if ((request.query as { user?: string }).user !== undefined) app.wsHub.add(socket, { subject: 'alice' })
  })
  await app.ready()
  await app.injectWS('/')
  await app.injectWS('/?user')
  app.wsHub.broadcast('hello')
  t.match(await figures(metrics), {
    'airlock_connections{state="pending"}': 0,
    'airlock_connections{state="unauthenticated"}': 0,
    'airlock_connections{state="authenticated"}': 1,
    'airlock_connections{state="other"}': 1,
    airlock_upgrades_waiting: 0,
    airlock_tcp_dropped_total: 0,
    airlock_introspect_watched: 0,
    'airlock_introspect_total{event="asked"}': 0,
    'airlock_introspect_total{event="limited"}': 0,
    airlock_hub_deliveries_total: 1,
    'airlock_hub_drops_total{reason="slow"}': 0,
    'airlock_hub_closes_total{reason="disconnected"}': 0,
    airlock_heartbeat_pings_total: 0,
    airlock_heartbeat_terminated_total: 0
  })
  app.wsHub.disconnect('alice')
  const after = await figures(metrics)
  t.equal(after['airlock_hub_closes_total{reason="disconnected"}'], 1)
  t.equal(after.airlock_hub_deliveries_total, 1, 'not counted twice')
  t.notMatch(await metrics.registry.metrics(), /airlock_bus/, 'there is no bus')
})

t.test('sockets are counted by what is known of their clients', async t => {
  const app = await build(t)
  const metrics = start(t, app)
  const handler = (socket: { send (text: string): void }): void => { socket.send('in') }
  app.get('/hub', { websocket: true }, app.wsHandshake(handler))
  app.get('/no-hub', { websocket: true }, app.wsHandshake(handler, { hub: false }))
  app.get('/public', { websocket: true, config: { wsPublic: true } }, handler)
  await app.ready()
  const open = async (path: string, ...frames: string[]): Promise<void> => {
    const client = await app.injectWS(path)
    t.teardown(() => client.terminate())
    for (const frame of frames) {
      client.send(frame)
      await new Promise<void>(resolve => { client.on('message', data => { if (String(data) === 'in') resolve() }) })
    }
  }
  const states = async () => Object.fromEntries(Object.entries(await figures(metrics)).filter(([name]) => name.startsWith('airlock_connections')).map(([name, value]) => [name.split('"')[1], value]))
  const auth = JSON.stringify({ type: 'auth', token: 'alice' })
  await open('/hub')
  await open('/no-hub')
  t.same(await states(), { pending: 0, unauthenticated: 2, authenticated: 0, other: 0 })
  await open('/hub', auth)
  await open('/no-hub', auth)
  await open('/no-hub', auth)
  await open('/public')
  t.same(await states(), { pending: 0, unauthenticated: 2, authenticated: 1, other: 3 })
  const gone = [...app.websocketServer.clients][0]
  gone?.terminate()
  await new Promise(resolve => gone?.on('close', resolve))
  t.same(await states(), { pending: 0, unauthenticated: 1, authenticated: 1, other: 3 })
})

t.test('a bus', async t => {
  const app = await build(t, { bus: mqemitter() })
  const metrics = start(t, app)
  await app.ready()
  await app.wsHub.busReady()
  const read = await figures(metrics)
  t.equal(read.airlock_bus_up, 1)
  t.match(Object.keys(read).filter(name => name.startsWith('airlock_bus_messages_total')).sort(), [/invalid/, /lost/, /received/, /sent/])
})

t.test('parts of an instance', async t => {
  const { wsGuard, wsHandshake, wsHub, wsHeartbeat, wsIntrospect } = await build(t)
  const states = async (sources: MetricsSources) => Object.keys(await figures(start(t, sources)))
    .filter(name => /airlock_(?:connections|heartbeat|hub_deliveries|upgrades|tcp|introspect_(?:watched|total\{event="asked"))/.test(name))
  t.same(await states({ wsGuard }), ['airlock_connections{state="pending"}', 'airlock_upgrades_waiting', 'airlock_tcp_dropped_total'])
  t.same(await states({ wsGuard: { pending: 0 } }), ['airlock_connections{state="pending"}'])
  t.same(await states({ wsHandshake }), ['airlock_connections{state="unauthenticated"}'])
  t.same(await states({ wsHandshake: {} }), [])
  t.same(await states({ wsIntrospect }), ['airlock_introspect_watched', 'airlock_introspect_total{event="asked"}'])
  t.same(await states({ wsHub }), ['airlock_connections{state="authenticated"}', 'airlock_hub_deliveries_total'])
  t.same(await states({ wsHeartbeat }), ['airlock_heartbeat_pings_total', 'airlock_heartbeat_terminated_total'])
})

t.test('the decisions of the audit trail, only where that is asked for', async t => {
  const known = { time: 0, id: 'x', subject: 'alice', session: null, address: '192.0.2.1', route: '/ws' }
  const close = { ...known, type: 'close', reason: null } as const
  const events: AuditEvent[] = [
    { ...known, type: 'auth.accepted', code: null, reason: null },
    { ...known, type: 'auth.refused', code: 4401, reason: 'token invalid' },
    { ...known, type: 'upgrade.refused', code: 'WSA_GUARD_ERR_ORIGIN', reason: 'x', status: 403, ticket: null },
    { ...known, type: 'upgrade.refused', code: 'OF_AN_APPLICATION', reason: null, status: 500, ticket: null },
    { ...close, code: 4429, reason: 'x', by: 'server' },
    { ...close, code: 4999, by: 'client' },
    { ...close, code: 3000, by: 'client' },
    { ...close, code: 1006, by: 'network' }
  ]
  const without = start(t)
  t.notOk(hasSubscribers(AUDIT))
  const metrics = start(t, undefined, { decisions: true })
  for (const event of events) channel(AUDIT).publish(event)
  const read = await figures(metrics)
  t.same(Object.fromEntries(Object.entries(read).filter(([name]) => name.startsWith('airlock_decisions'))), {
    'airlock_decisions_total{type="auth.accepted",code=""}': 1,
    'airlock_decisions_total{type="auth.refused",code="4401"}': 1,
    'airlock_decisions_total{type="upgrade.refused",code="WSA_GUARD_ERR_ORIGIN"}': 1,
    'airlock_decisions_total{type="upgrade.refused",code="other"}': 1,
    'airlock_decisions_total{type="close",code="4429"}': 1,
    'airlock_decisions_total{type="close",code="client"}': 2,
    'airlock_decisions_total{type="close",code="network"}': 1
  })
  t.notMatch(await metrics.registry.metrics(), /alice|192\.0\.2\.1/)
  t.notMatch(await without.registry.metrics(), /airlock_decisions/)
  metrics.close()
  t.notOk(hasSubscribers(AUDIT))
})

t.test('what happens at another server in the process is not counted', async t => {
  const [server, other] = [{}, {}]
  const own = start(t, { server }, { decisions: true })
  const all = start(t, {}, { decisions: true })
  const whose: Array<object | null | undefined> = [server, other, null, undefined]
  for (const one of whose) {
    channel('airlock:hub:refuse').publish({ reason: 'subject', server: one })
    channel(AUDIT).publish({ type: 'close', code: 1000, by: 'client', server: one })
  }
  for (const [{ registry }, count] of [[own, 3], [all, 4]] as const) {
    const text = await registry.metrics()
    t.match(text, new RegExp(`airlock_refusals_total\\{by="hub",code="subject"\\} ${count}`))
    t.match(text, new RegExp(`airlock_decisions_total\\{type="close",code="client"\\} ${count}`))
  }
})

t.test('limits over all nodes', async t => {
  const hub = (counter?: object) => ({
    stats: { connections: 0, deliveries: 0, drops: {}, closes: {}, bus: {}, ...counter && { counter } },
    health: () => ({ bus: 'none' as const, ...counter && { counter: 'up' as const } })
  })
  const connections = { taken: 4, refused: 3, replaced: 2, failed: 1 }
  const rateCounter = { state: 'down' as const, taken: 6, refused: 5, failed: 4 }
  const read = async (sources: object) => (await start(t, sources).registry.metrics()).split('\n').filter(line => /^airlock.*counter/.test(line))
  t.strictSame(await read({ wsHub: hub(connections), wsTickets: { rateCounter } }), [
    'airlock_counter_up{of="connections"} 1',
    'airlock_counter_up{of="tickets"} 0',
    ...Object.entries(connections).map(([result, value]) => `airlock_hub_counter_total{result="${result}"} ${value}`),
    ...['taken 6', 'refused 5', 'failed 4'].map(text => `airlock_ticket_counter_total{result="${text.split(' ')[0]}"} ${text.split(' ')[1]}`)
  ])
  t.equal((await read({ wsHub: hub(connections) })).length, 5)
  t.equal((await read({ wsTickets: { rateCounter } })).length, 4)
  for (const sources of [{ wsHub: hub() }, { wsTickets: { rateCounter: null } }, { wsTickets: {} }, {}]) t.strictSame(await read(sources), [])
})

t.test('a registry of the application, and an end', async t => {
  const registry = new Registry()
  const metrics = start(t, {}, { registry })
  t.equal(metrics.registry, registry)
  for (const name of CHANNELS) t.ok(hasSubscribers(name), name)
  metrics.close()
  for (const name of CHANNELS) t.notOk(hasSubscribers(name), name)
})
