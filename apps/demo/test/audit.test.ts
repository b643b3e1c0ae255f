// Runs alone: the audit trail is that of the whole process.
import type { AuditEvent } from '@fastify-airlock/core'
import t from 'tap'
import { isRefusal, Recorder, typesOf } from '../../../test/audit.js'
import { Client, enter, getTicket, http, listen, login, pass, sign } from './helpers.js'

const ENTRY = ['ticket.issued', 'ticket.redeemed', 'upgrade.admitted', 'auth.accepted']

function shared (events: AuditEvent[], name: 'id' | 'subject' | 'session'): unknown {
  const values = new Set(events.map(event => event[name]))
  return values.size === 1 ? [...values][0] : [...values]
}

t.test('a session leaves its steps, in their order, under one id', async t => {
  const { origin } = await listen(t)
  const recorder = new Recorder(t)
  const token = await login(origin, 'alice')
  const { sid } = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
  const client = await pass(t, origin, token)
  client.send({ type: 'refresh', token: sign({ sub: 'alice', sid, name: 'Alice', role: 'user' }) })
  await client.next('refresh_ok')
  client.socket.close(1000, 'what a client writes')
  const events = await recorder.closed()
  t.same(typesOf(events), [...ENTRY, 'refresh.accepted', 'close'])
  t.match(shared(events, 'id'), /^[\w-]{16}$/)
  t.equal(shared(events, 'subject'), 'alice')
  t.equal(shared(events, 'session'), sid)
  t.same(events.map(({ address }) => address), Array(6).fill('127.0.0.1'))
  t.same(events.map(({ route }) => route), ['/ws/ticket', ...Array(5).fill('/ws/demo')])
  t.ok(events.every(({ time }, index) => time >= (events[index - 1]?.time ?? Date.now() - 600_000)))
  t.match(events.at(-1), { code: 1000, reason: null, by: 'client' })
})

t.test('who joins a topic, and who is disconnected', async t => {
  const { origin } = await listen(t)
  const recorder = new Recorder(t)
  const token = await login(origin, 'alice')
  const client = await pass(t, origin, token, '/ws/kiosk')
  await http('POST', `${origin}/logout`, { token })
  await client.closed
  const events = await recorder.closed()
  t.same(typesOf(events), [...ENTRY, 'topic.joined', 'close'])
  t.match(events.at(-2), { topic: 'kiosk', wildcard: false, route: '/ws/kiosk' })
  t.match(events.at(-1), { code: 4403, by: 'server', subject: 'alice' })
})

t.test('a login without a ticket: the upgrade alone decides', async t => {
  const { origin } = await listen(t)
  const recorder = new Recorder(t)
  const token = await login(origin, 'alice')
  const client = new Client(t, origin, '/ws/bearer', ['airlock.v1'], { headers: { authorization: `Bearer ${token}` } })
  await client.upgraded
  client.socket.terminate()
  const events = await recorder.closed()
  t.same(typesOf(events), ['upgrade.admitted', 'close'])
  t.match(events, [{ subject: 'alice', route: '/ws/bearer' }, { subject: 'alice', by: 'network', code: 1006, reason: null }])

  await new Client(t, origin, '/ws/bearer', ['airlock.v1'], { headers: { authorization: `Bearer ${token}x` } }).upgraded
  t.match(await recorder.closed(), [{ type: 'upgrade.refused', code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', status: 401, reason: 'token invalid' }])
})

t.test('a ticket that is used again is named, and gets an id of its own', async t => {
  const { origin } = await listen(t)
  const recorder = new Recorder(t)
  const token = await login(origin, 'alice')
  const protocols = ['airlock.v1', `ticket.${await getTicket(origin, token)}`]
  const first = new Client(t, origin, '/ws/demo', protocols)
  await first.upgraded
  await new Client(t, origin, '/ws/demo', protocols).upgraded
  first.socket.close()
  const events = await recorder.closed()
  const [issued] = events
  const refused = events.filter(isRefusal)
  t.match(refused, [{ type: 'upgrade.refused', ticket: issued?.id, reason: /used/ }])
  t.not(refused[0]?.id, issued?.id, 'the connection that has it goes on')
})

t.test('what gets no ticket', async t => {
  const { origin } = await listen(t, { TICKET_RATE: '1' })
  const recorder = new Recorder(t)
  await http('POST', `${origin}/ws/ticket`)
  t.match(await recorder.closed(), [{ type: 'ticket.refused', code: 'WSA_DEMO_ERR_NOT_AUTHENTICATED', status: 401, subject: null, route: '/ws/ticket', address: '127.0.0.1' }])
  const token = await login(origin, 'alice')
  await http('POST', `${origin}/ws/ticket`, { token, json: { audience: 'elsewhere' } })
  t.match(await recorder.closed(), [{ type: 'ticket.refused', code: 'WSA_TICKET_ERR_AUDIENCE', status: 400 }])
  await http('POST', `${origin}/ws/ticket`, { token })
  t.match(await recorder.closed(), [{ type: 'ticket.refused', code: 'WSA_TICKET_ERR_RATE', status: 429, subject: 'alice' }])
})

t.test('an upgrade that no guard has refused', async t => {
  const { origin } = await listen(t)
  const recorder = new Recorder(t)
  await new Client(t, origin, '/nowhere').upgraded
  t.match(await recorder.take(1), [{ type: 'upgrade.refused', status: 404, route: null, address: '127.0.0.1' }])
})

t.test('no secret is in it, wherever a client puts one', async t => {
  const { origin } = await listen(t)
  const recorder = new Recorder(t)
  const token = await login(origin, 'alice')
  const secrets = [token]
  const ticket = async (): Promise<string> => {
    const ticket = await getTicket(origin, token)
    secrets.push(ticket)
    return ticket
  }
  const canaries = Array.from({ length: 12 }, (_, n) => `canary-${n}-${'x'.repeat(20)}`)
  const client = await enter(t, origin, token)
  client.send({ type: 'auth', token: canaries[0] })
  await client.closed
  const closing = await pass(t, origin, token)
  closing.socket.close(4000, token.slice(0, 120))
  const paths = [
    `/ws/demo?ticket=${await ticket()}`, `/ws/demo?ticket=${canaries[1]}`, `/ws/demo?token=${canaries[2]}`, `/ws/${canaries[3]}`, `/ws/demo/${canaries[4]}?ticket=${await ticket()}`
  ]
  for (const path of paths) {
    const client = new Client(t, origin, path)
    await client.upgraded
    client.socket.terminate()
  }
  for (const headers of [
    { cookie: `session=${canaries[5]}; ticket=${canaries[6]}` }, { authorization: `Bearer ${canaries[7]}` }, { origin: `https://${canaries[8]}.example` }
  ]) {
    for (const route of ['/ws/demo', '/ws/bearer']) await new Client(t, origin, route, ['airlock.v1'], { headers }).upgraded
  }
  await new Client(t, origin, '/ws/demo', ['airlock.v1', `ticket.${canaries[9]}`, `bearer.${canaries[10]}`]).upgraded
  await http('POST', `${origin}/ws/ticket`, { token: canaries[11] as string })
  const text = JSON.stringify(await recorder.closed())
  t.ok(text.length > 3_000, `${text.length} characters`)
  for (const secret of [...secrets, ...canaries]) {
    t.notOk(text.includes(secret), secret.slice(0, 12))
    t.notOk(text.includes(secret.slice(0, 100)))
  }
})
