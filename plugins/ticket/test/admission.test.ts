import t from 'tap'
import { Turn, turnstileOf } from '@fastify-airlock/core'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { takeTurns } from '../src/admission.js'
import { build, signedIn } from './helpers.js'

const turn = async (): Promise<void> => { await new Promise(resolve => setImmediate(resolve)) }

/** Keeps the turnstile busy for longer than a turn lasts: the next request waits. */
function busy (server: object): void {
  turnstileOf(server).enter(Turn.FIRST_FRAME, () => {
    for (const end = performance.now() + 12; performance.now() < end;);
  })
}

t.test('a request waits for its turn, and one that waits too long is told when to try again', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const clock = { now: 0 }
  const hook = takeTurns(app, () => clock.now)
  const outcomes: unknown[] = []
  const enter = (): void => {
    hook.call(app, { socket: { destroyed: false } } as FastifyRequest, {} as FastifyReply, error => { outcomes.push(error ?? 'in') })
  }
  enter()
  t.same(outcomes, ['in'], 'at once')
  for (const waited of [9_999, 10_000, 10_001]) {
    outcomes.length = 0
    busy(app.server)
    enter()
    t.same(outcomes, [])
    clock.now += waited
    while (turnstileOf(app.server).size > 0) await turn()
    if (waited <= 10_000) t.same(outcomes, ['in'])
    else t.match(outcomes, [{ code: 'WSA_TICKET_ERR_BUSY', statusCode: 503, retryAfter: 1, headers: { 'retry-after': '1' } }])
    await turn()
  }
})

t.test('a client that has left gets no ticket', async t => {
  const asked: string[] = []
  const app = await build(t, { route: { subject: () => { asked.push('subject'); return 'alice' } } })
  const { authorization } = signedIn(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = net.connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  const [connection] = await once(app.server, 'connection')
  app.server.prependOnceListener('request', () => busy(app.server))
  const arrived = once(app.server, 'request')
  socket.write(`POST /ws/ticket HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\nContent-Length: 0\r\n\r\n`)
  await arrived
  connection.destroy()
  while (turnstileOf(app.server).size > 0) await turn()
  await turn()
  t.same(asked, [])
  socket.destroy()
})
