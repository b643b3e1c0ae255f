import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import t from 'tap'
import { noteServer, noteUpgrades, ofServer, publishAudit, serverOf, Trail, trailOfRequest } from '../src/index.js'

t.test('a message says whose it is, and looks as before', async t => {
  const server = {}
  const event = ofServer({ code: 1 }, server)
  t.equal(event.server, server)
  t.strictSame(event, { code: 1 })
  t.equal(JSON.stringify(event), '{"code":1}')
  for (const none of [null, undefined]) t.equal(ofServer({}, none).server, null)
})

t.test('the request of an upgrade knows its server', async t => {
  const [server, other] = [new EventEmitter(), new EventEmitter()]
  for (const one of [server, other]) noteUpgrades(one, undefined)
  const request = {}
  server.emit('upgrade', request)
  t.equal(serverOf(request), server)
  t.equal(serverOf({}), undefined)
  t.equal(trailOfRequest(request).server, server)
  t.equal(trailOfRequest({}).server, null)
  const plain = {}
  noteServer(plain, other)
  t.equal(trailOfRequest(plain, { server: { server } }).server, server, 'Fastify knows best')
})

t.test('an event of the audit trail has the server of its trail', async t => {
  const events: Array<{ server?: unknown }> = []
  const listener = (event: unknown): void => { events.push(event as object) }
  channel('airlock:audit').subscribe(listener)
  t.teardown(() => channel('airlock:audit').unsubscribe(listener))
  const server = {}
  const trail = new Trail().from({ server: { server } })
  trail.from({})
  publishAudit(trail, { type: 'upgrade.admitted', code: null, reason: null })
  publishAudit(new Trail(), { type: 'upgrade.admitted', code: null, reason: null })
  t.strictSame(events.map(({ server }) => server), [server, null])
})
