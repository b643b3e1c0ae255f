// Runs alone: the channels are those of the whole process.
import websocket from '@fastify/websocket'
import type { AuditEvent } from '@fastify-airlock/core'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub, { type WsHubOptions } from '@fastify-airlock/hub'
import Fastify from 'fastify'
import mqemitter from 'mqemitter'
import { channel, hasSubscribers } from 'node:diagnostics_channel'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import { createMetrics, type Metrics, type MetricsOptions, type MetricsSources } from '../src/index.js'

const CHANNELS = ['airlock:guard:refuse', 'airlock:handshake:refuse', 'airlock:handshake:open', 'airlock:hub:refuse']
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
    'airlock_connections{state="unauthenticated"}': 1,
    'airlock_connections{state="authenticated"}': 1,
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
  const { wsGuard, wsHub, wsHeartbeat } = await build(t)
  const states = async (sources: MetricsSources) => Object.keys(await figures(start(t, sources)))
    .filter(name => /airlock_(?:connections|heartbeat|hub_deliveries)/.test(name))
  t.same(await states({ wsGuard }), ['airlock_connections{state="pending"}'])
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

t.test('a registry of the application, and an end', async t => {
  const registry = new Registry()
  const metrics = start(t, {}, { registry })
  t.equal(metrics.registry, registry)
  for (const name of CHANNELS) t.ok(hasSubscribers(name), name)
  metrics.close()
  for (const name of CHANNELS) t.notOk(hasSubscribers(name), name)
})
