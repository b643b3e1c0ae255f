// Runs alone: the audit trail is that of the whole process.
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import {
  AUDIT_CHANNEL, auditCode, type AuditEvent, findTrail, noteCause, noteEnding, noteError, noteUpgrades, publishAudit, SocketExpiry, Trail, trailKey,
  trailOfRequest, trailOfSocket, websocketOptions
} from '../src/index.js'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect } from './helpers.js'

function listen (t: Test): AuditEvent[] {
  const events: AuditEvent[] = []
  const keep = (event: unknown): void => { events.push(event as AuditEvent) }
  subscribe(AUDIT_CHANNEL, keep)
  t.teardown(() => unsubscribe(AUDIT_CHANNEL, keep))
  return events
}

t.test('what a trail knows', async t => {
  const request = {}
  t.equal(findTrail(request), undefined)
  const trail = trailOfRequest(request)
  t.match(trail, { id: /^[\w-]{16}$/, subject: null, session: null, address: null, route: null, ticket: null, cause: null, errorCode: null })
  t.equal(trailOfRequest(request), trail)
  t.equal(findTrail({ [trailKey]: trail }), trail)
  t.equal(trailOfRequest(request, { ip: '::ffff:192.0.2.1', routeOptions: { url: '/ws/:id' } }), trail)
  t.match(trail, { address: '192.0.2.1', route: '/ws/:id' })
  t.match(trailOfRequest({}, {}), { address: null, route: null })

  t.match(trail.of({ subject: 'alice', claims: { sid: 's1' } }), { subject: 'alice', session: 's1' })
  t.match(trail.of({ subject: 'alice', claims: { sid: 's1', login: 'l1' } }, 'login'), { session: 'l1' })
  t.match(trail.of({ subject: 'alice' }), { session: null })
  t.match(trail.of({ subject: 'alice', claims: null }), { session: null })

  noteCause(request, 'too late')
  noteError(request, Object.assign(new Error('no'), { code: 'WSA_X' }))
  t.match(trail, { cause: 'too late', errorCode: 'WSA_X' })
  for (const note of [() => noteCause({}, 'x'), () => noteError({}, new Error('x')), () => noteEnding({}, 1000)]) t.doesNotThrow(note, 'without a trail')
})

t.test('an address is recorded, and nothing else that a proxy lets a client write in its place', async t => {
  const recorded = (ip: string | undefined) => new Trail().from({ ip }).address
  for (const ip of ['192.0.2.1', '2001:db8::1', 'fe80::1%eth0']) t.equal(recorded(ip), ip)
  t.equal(recorded('[2001:db8::1]:4711'), '2001:db8::1')
  const others = [undefined, '', 'unknown', '_hidden', 'localhost', '192.0.2.256', 'a ticket', '<script>', 'x'.repeat(12_000), 'x:'.repeat(6_000), `fe80::1%${'x'.repeat(12_000)}`]
  for (const ip of others) t.equal(recorded(ip), null, String(ip).slice(0, 20))
})

t.test('codes of errors that are fit for the trail', async t => {
  for (const code of ['ECONNRESET', 'FST_ERR_VALIDATION', 'WSA_GUARD_ERR_ORIGIN', 'A1']) t.equal(auditCode({ code }), code)
  for (const code of ['', 'a token', 'eyJhbGciOiJIUzI1NiJ9.e30.x', '_X', '1A', `A${'B'.repeat(100)}`, 'A\n', 401, undefined]) t.equal(auditCode({ code }), null, String(code))
  for (const thrown of [undefined, null, 'a string', 7]) t.equal(auditCode(thrown), null)
})

t.test('an event says what is known, and the rest is null', async t => {
  const events = listen(t)
  const before = Date.now()
  publishAudit(new Trail().from({ ip: '192.0.2.1' }), { type: 'auth.refused', code: 4401, reason: 'token invalid' })
  const [event] = events
  t.strictSame({ ...event, time: 0, id: '' }, {
    type: 'auth.refused', time: 0, id: '', subject: null, session: null, address: '192.0.2.1', route: null, code: 4401, reason: 'token invalid'
  })
  t.ok(event !== undefined && event.time >= before && event.time <= Date.now())
})

/** What a WebSocket and its request are to a trail. */
function open () {
  const server = new EventEmitter()
  const sockets = new EventEmitter()
  noteUpgrades(server, sockets)
  return {
    upgrade: (trail: boolean) => {
      const request = {}
      const socket = new EventEmitter()
      server.emit('upgrade', request)
      if (trail) trailOfRequest(request, { ip: '192.0.2.1', routeOptions: { url: '/ws' } })
      sockets.emit('connection', socket, request)
      return { request, socket }
    }
  }
}

t.test('a socket takes over the trail of its upgrade, and its close is published', async t => {
  const events = listen(t)
  const { upgrade } = open()
  const { request, socket } = upgrade(true)
  t.equal(findTrail(socket), findTrail(request))
  t.equal(trailOfSocket(socket), findTrail(request))
  t.equal(trailOfSocket(socket, { ip: '192.0.2.2', routeOptions: { url: '/other' } }).route, '/ws', 'what is known stays')
  socket.emit('close', 1000)
  t.match(events, [{ type: 'close', code: 1000, reason: null, by: 'client', address: '192.0.2.1', route: '/ws' }])

  const lost = upgrade(true).socket
  lost.emit('close', 1006)
  t.match(events[1], { code: 1006, by: 'network' })

  const ended = upgrade(true).socket
  noteEnding(ended, 4403, 'disconnected')
  noteEnding(ended, 4401, 'later')
  ended.emit('close', 1006)
  t.match(events[2], { code: 4403, reason: 'disconnected', by: 'server' })

  const cut = upgrade(true).socket
  noteEnding(cut, null, 'slow')
  cut.emit('close', 1006)
  t.match(events[3], { code: 1006, reason: 'slow', by: 'server' })

  const silent = upgrade(true).socket
  noteEnding(silent, 1005)
  silent.emit('close', 1005)
  t.match(events[4], { code: 1005, reason: null, by: 'server' })

  const { socket: bare } = upgrade(false)
  t.equal(findTrail(bare), undefined)
  t.equal(bare.listenerCount('close'), 0, 'nobody has begun one')
})

t.test('a socket from before the first subscriber', async t => {
  const { upgrade } = open()
  const { socket } = upgrade(false)
  const other = upgrade(true).socket
  other.emit('close', 1000)
  const events = listen(t)
  t.equal(events.length, 0, 'nobody was there')
  const trail = trailOfSocket(socket)
  t.equal(trailOfSocket(socket, null), trail)
  t.equal(trailOfSocket(socket, { ip: '192.0.2.3', routeOptions: { url: '/late' } }), trail)
  t.equal(socket.listenerCount('close'), 1)
  socket.emit('close', 1001)
  t.match(events, [{ id: trail.id, code: 1001, address: '192.0.2.3', route: '/late' }])
})

t.test('how this side closes: the application, at an expiry, at a shutdown', async t => {
  const events = listen(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  const expiry = new SocketExpiry()
  t.teardown(() => expiry.close())
  app.get('/:how', { websocket: true }, (socket, request) => {
    trailOfSocket(socket, request)
    const { how } = request.params as { how: string }
    if (how === 'code') socket.close(4000, 'of the application')
    if (how === 'none') socket.close()
    if (how === 'behind') socket.send('x'.repeat(1_000))
    if (how === 'behind') socket.close(4001, Buffer.from('after that'))
    if (how === 'expiry') expiry.watch(socket, { subject: 'alice', expiresAt: Date.now() - 1 })
    if (how === 'expiry') expiry.tick()
    if (how === 'closing') socket.close(4002, 'first')
    if (how === 'closing' || how === 'cut') socket.terminate()
    if (how === 'throws') throw new Error('of the handler')
    if (how === 'client') socket.on('message', () => {})
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const visit = async (how: string) => {
    const client = connect(t, port, `/${how}`)
    await once(client, 'open')
    return client
  }
  const ended = async (how: string, close?: [number, string]): Promise<AuditEvent | undefined> => {
    const count = events.length
    const client = await visit(how)
    if (close !== undefined) client.close(...close)
    while (events.length === count) await new Promise(resolve => setTimeout(resolve, 2))
    return events.at(-1)
  }
  t.match(await ended('code'), { code: 4000, reason: 'of the application', by: 'server', route: '/:how' })
  t.match(await ended('none'), { code: 1005, reason: null, by: 'server' })
  t.match(await ended('behind'), { code: 4001, reason: 'after that', by: 'server' })
  t.match(await ended('expiry'), { code: 4401, reason: 'token expired', by: 'server' })
  t.match(await ended('closing'), { code: 4002, reason: 'first', by: 'server' })
  t.match(await ended('cut'), { code: 1006, reason: 'terminated', by: 'server' })
  t.match(await ended('throws'), { code: 1006, reason: 'terminated', by: 'server' })
  t.match(await ended('client', [4999, 'whatever a client writes']), { code: 4999, reason: null, by: 'client' })
  await visit('client')
  await app.close()
  t.match(events.at(-1), { code: 1012, reason: 'service restart', by: 'server' })
})

t.test('why this side closes: its reason, what is known beside it, or what the code means', t => {
  for (const [code, reason, untold, expected] of [
    [4000, 'enough', null, 'enough'],
    [1009, Buffer.from('enough'), 'no handler', 'enough'],
    [1005, '', 'no handler', 'no handler'],
    [1009, undefined, null, 'message too big'],
    [1002, '', null, 'malformed frame'],
    [1007, '', null, 'malformed text'],
    [4000, '', null, null],
    [null, '', null, null]
  ] as const) {
    const socket = { [trailKey]: Object.assign(new Trail(), { untold }) }
    noteEnding(socket, code, reason)
    noteEnding(socket, 1000, 'too late')
    t.same(socket[trailKey].ending, { code, reason: expected })
  }
  t.end()
})

t.test('an error without a code leaves that of an earlier one', t => {
  const request = {}
  const trail = trailOfRequest(request)
  noteError(request, new Error('x'))
  t.equal(trail.errorCode, null)
  noteError(request, Object.assign(new Error('x'), { code: 'WSA_X' }))
  noteError(request, new Error('x'))
  t.equal(trail.errorCode, 'WSA_X')
  t.end()
})
