// Runs alone: the channels are those of the whole process.
import { channel } from 'node:diagnostics_channel'
import { trailOfSocket } from '@fastify-airlock/core'
import t, { type Test } from 'tap'
import { Recorder } from '../../../test/audit.js'
import { build, connect, refusal, until, upstream } from './helpers.js'

/** A side of a connection. */
interface Side {
  close (code: number, reason: string): void
}

function record (t: Test) {
  const events: Array<[string, Record<string, unknown>]> = []
  for (const name of ['open', 'close', 'refuse']) {
    const listener = (message: unknown): void => { events.push([name, message as Record<string, unknown>]) }
    channel(`airlock:proxy:${name}`).subscribe(listener)
    t.teardown(() => channel(`airlock:proxy:${name}`).unsubscribe(listener))
  }
  return events
}

t.test('open and close are published', async t => {
  const events = record(t)
  const far = await upstream(t)
  const { app, port } = await build(t, { proxy: { upstream: far.url, idleTimeout: 200 } })
  const one = await connect(t, port)
  await far.next()
  one.socket.close(4000)
  await until(() => app.wsProxy.open === 0)
  const two = await connect(t, port)
  ;(await far.next()).socket.close(4001)
  await two.closed
  const three = await connect(t, port)
  await three.closed
  t.match(events, [
    ['open', { duration: Number }], ['close', { by: 'client', code: 4000, duration: Number }],
    ['open', { duration: Number }], ['close', { by: 'upstream', code: 4001, duration: Number }],
    ['open', { duration: Number }], ['close', { by: 'idle', code: 1001, duration: Number }]
  ])
  t.equal(events.length, 6)
  t.ok(Number(events[5]?.[1].duration) >= 200)
})

t.test('refuse is published', async t => {
  const events = record(t)
  const far = await upstream(t, { admit: () => 503 })
  for (const [headers, expected] of [
    [{}, { statusCode: 502, code: 'WSA_PROXY_ERR_UPSTREAM_REFUSED' }],
    [() => { throw Object.assign(new Error(), { statusCode: 403, code: 'NOT_YOU' }) }, { statusCode: 403, code: 'NOT_YOU' }],
    [() => { throw new RangeError() }, { statusCode: 500, code: 'RangeError' }]
  ] as const) {
    const { port } = await build(t, { proxy: { upstream: far.url, headers } })
    await refusal(t, port)
    t.strictSame(events.pop(), ['refuse', expected])
    t.equal(events.length, 0)
  }
})

t.test('the audit trail learns who has closed a connection, and nothing that anybody wrote', async t => {
  const recorder = new Recorder(t)
  const far = await upstream(t)
  for (const [options, end, expected] of [
    [{}, (_near: Side, one: Side) => one.close(4001, 'words of the upstream'), { code: 4001, reason: 'closed by the upstream', by: 'server' }],
    [{}, (near: Side) => near.close(4000, 'words of the client'), { reason: null, by: 'client' }],
    [{ idleTimeout: 50 }, () => {}, { code: 1001, reason: 'idle timeout', by: 'server' }]
  ] as const) {
    const { app, port } = await build(t, { proxy: { upstream: far.url, ...options } })
    app.websocketServer.on('connection', socket => { trailOfSocket(socket) })
    const near = await connect(t, port)
    end(near.socket, (await far.next()).socket)
    t.match(await recorder.take(1), [{ type: 'close', ...expected }])
  }
})
