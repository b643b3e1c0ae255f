import { type DoctorOptions, examine } from '@fastify-airlock/doctor'
import { ticket as byTicket, type TicketAuthenticatorOptions } from '@fastify-airlock/guard'
import airlock, { type AirlockOptions, serverOptions } from 'fastify-airlock'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { PATIENCE, SECRET, sign, tokensOf } from './look.js'

/** What waits for time to pass is looked at elsewhere. */
const SLOW: DoctorOptions['skip'] = ['silence', 'quiet', 'expired-ticket', 'expiry', 'ticket-race', 'close-cut', 'drain', 'retry-after']

/** Set-ups that are right, though they are not the usual one: none of them may be told that something is open. */
const setUps: Array<{ name: string, carriers?: TicketAuthenticatorOptions, more?: Partial<AirlockOptions>, options?: Partial<DoctorOptions>, path?: string, ticket?: string }> = [
  { name: 'the subprotocol alone', carriers: { cookie: false, query: false } },
  { name: 'the query alone, of another name', carriers: { subprotocol: false, cookie: false, query: 'k' }, options: { carrier: 'query', carrierName: 'k' } },
  { name: 'a cookie alone, of another name', carriers: { subprotocol: false, cookie: 'door', query: false }, options: { carrier: 'cookie', carrierName: 'door' } },
  { name: 'every carrier, and the query used', carriers: { cookie: 'ticket', query: 'ticket' }, options: { carrier: 'query' } },
  { name: 'every carrier, and the cookie used', carriers: { cookie: 'ticket', query: 'ticket' }, options: { carrier: 'cookie' } },
  { name: 'subprotocol and query', carriers: { cookie: false } },
  { name: 'another path, and a prefix', more: { prefix: '/api/v1' }, path: '/live/feed', ticket: '/api/v1/ws/ticket' }
]

async function look (t: Test, { carriers, more, options, path = '/ws', ticket = '/ws/ticket' }: typeof setUps[number]) {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(airlock, { jwt: { secret: SECRET }, ...(carriers !== undefined && { guard: { authenticate: byTicket(carriers) } }), ...more } as AirlockOptions)
  app.wsRoute(path, socket => { socket.on('message', data => socket.send(String(data))) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const seconds = Math.floor(Date.now() / 1_000)
  const tokens = tokensOf(sign({ sub: 'alice', iat: seconds - 200, exp: seconds + 60 }), sign({ sub: 'bob', iat: seconds, exp: seconds + 60 }))
  return await examine({ url: `ws://127.0.0.1:${port}${path}`, ticketUrl: `http://127.0.0.1:${port}${ticket}`, skip: SLOW, patience: PATIENCE, rate: 1_000, ...tokens, ...options })
}

for (const setUp of setUps) {
  t.test(setUp.name, async t => {
    const { honest, findings, sent, plan } = await look(t, setUp)
    t.equal(honest, null)
    t.ok(sent <= plan.requests)
    t.same(findings.filter(({ result }) => result === 'fail').map(({ rule }) => rule.id), [], findings.filter(({ result }) => result === 'fail').map(({ evidence }) => evidence).join('; '))
    t.same(findings.filter(({ result }) => result === 'unknown').map(({ rule, evidence }) => `${rule.id}: ${evidence}`), [])
  })
}
