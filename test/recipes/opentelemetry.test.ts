// Runs alone: the audit trail is that of the whole process.
import { SpanStatusCode } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { build, listen, until } from '../helpers.js'
import { traceConnections } from './opentelemetry.js'

const milliseconds = ([seconds, nanoseconds]: [number, number]): number => seconds * 1_000 + nanoseconds / 1e6
const steps = (span: ReadableSpan): string[] => span.events.map(({ name }) => name)

t.test('the document has exactly this code, and it is short', async t => {
  const document = await readFile(new URL('../../docs/recipes/opentelemetry.md', import.meta.url), 'utf8')
  const [subscriber = ''] = /^```ts\n.*?^```$/ms.exec(document) ?? []
  t.equal(subscriber, `\`\`\`ts\n${await readFile(new URL('opentelemetry.ts', import.meta.url), 'utf8')}\`\`\``)
  t.ok(subscriber.split('\n').filter(line => line.trim() !== '').length <= 33)
})

async function start (t: Test, ttl = 600_000) {
  const exporter = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const stop = traceConnections(provider.getTracer('airlock'))
  t.teardown(async () => {
    stop()
    await provider.shutdown()
  })
  const { app } = await build(t, { ttl })
  app.get('/ws/:room', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(socket => app.wsHub.join(socket, 'news')))
  const { connect, origin, sign } = await listen(t, app)
  const token = sign('alice', { sid: 'one' })
  const ticket = async (): Promise<string> => {
    const response = await fetch(`${origin}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    return (await response.json() as { ticket: string }).ticket
  }
  const ended = async (count: number): Promise<ReadableSpan[]> => {
    await until(() => exporter.getFinishedSpans().length >= count)
    return exporter.getFinishedSpans()
  }
  return { app, connect, ticket, token, ended, exporter }
}

t.test('a connection is one span, from its ticket to its close', async t => {
  const { connect, ticket, token, ended, app } = await start(t)
  const client = await connect('/ws/7', ['airlock.v1', `ticket.${await ticket()}`])
  client.send({ type: 'auth', token })
  await client.next()
  app.wsHub.disconnect('alice')
  await client.closed
  const [span, another] = await ended(1)
  t.equal(another, undefined)
  const { attributes, events, startTime, endTime, status } = span as ReadableSpan
  t.same(steps(span as ReadableSpan), ['ticket.issued', 'ticket.redeemed', 'upgrade.admitted', 'auth.accepted', 'topic.joined', 'close'])
  t.match(attributes, {
    'airlock.id': /^[\w-]{16}$/,
    'airlock.subject': 'alice',
    'airlock.session': 'one',
    'airlock.address': '127.0.0.1',
    'airlock.route': '/ws/:room',
    'airlock.code': 4403,
    'airlock.by': 'server'
  })
  t.equal(milliseconds(startTime), milliseconds(events[0]?.time as [number, number]))
  t.equal(milliseconds(endTime), milliseconds(events.at(-1)?.time as [number, number]))
  t.equal(status.code, SpanStatusCode.UNSET)
  t.notOk(JSON.stringify([attributes, events]).includes(token))
})

t.test('a refusal ends as an error, before and after the 101', async t => {
  const { connect, ticket, token, ended } = await start(t)
  const presented = await ticket()
  const client = await connect('/ws/7', ['airlock.v1', `ticket.${presented}`])
  await t.rejects(connect('/ws/7', ['airlock.v1', `ticket.${presented}`]))
  client.send({ type: 'auth', token: `${token}x` })
  await client.closed
  const [replay, refused] = await ended(2) as [ReadableSpan, ReadableSpan]
  t.same(steps(replay), ['upgrade.refused'])
  t.equal(replay.attributes['airlock.ticket'], refused.attributes['airlock.id'], 'it names the connection that has the ticket')
  t.same(steps(refused), ['ticket.issued', 'ticket.redeemed', 'upgrade.admitted', 'auth.refused', 'close'])
  t.match([replay.status, refused.status], [{ code: SpanStatusCode.ERROR, message: /used/ }, { code: SpanStatusCode.ERROR, message: 'token invalid' }])
})

t.test('a ticket that nobody uses ends when it expires', async t => {
  const { ticket, ended } = await start(t, 20)
  await ticket()
  const [span] = await ended(1) as [ReadableSpan]
  t.same(steps(span), ['ticket.issued'])
  // On a busy machine this one has expired before it is issued, and no span ends before it begins.
  t.equal(milliseconds(span.endTime), Math.max(span.attributes['airlock.expiresAt'] as number, milliseconds(span.startTime)))
})
