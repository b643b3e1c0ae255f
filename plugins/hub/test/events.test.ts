import t, { type Test } from 'tap'
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { build, hold } from './helpers.js'

/** Collects the events of the hub from now on, without the sockets. */
function listen (t: Test): unknown[] {
  const events: unknown[] = []
  for (const name of ['add', 'remove', 'refuse', 'close', 'join', 'leave', 'deliver', 'drop', 'bus']) {
    const listener = (message: unknown): void => {
      const { socket, ...event } = message as { socket?: object }
      if (socket !== undefined) t.type(socket, 'WebSocket')
      events.push([name, event])
    }
    diagnostics.subscribe(`airlock:hub:${name}`, listener)
    t.teardown(() => diagnostics.unsubscribe(`airlock:hub:${name}`, listener))
  }
  return events
}

t.test('the diagnostics channels announce what happens', async t => {
  const { hub, pair } = await build(t, { hub: { maxBufferedBytes: 100, maxConnectionsPerSubject: 1 } })
  const events = listen(t)
  const alice = await pair()
  hub.join(alice.socket, 'news')
  hub.join(alice.socket, 'news')
  hub.join(alice.socket, 'kiosk/#', { wildcard: true })
  hub.publish('news', 'hello')
  hub.leave(alice.socket, 'news')
  await pair('/ws?subject=alice')
  hold(alice.socket)
  hub.broadcast('x'.repeat(80))
  hub.broadcast('x'.repeat(80))
  await once(alice.socket, 'close')
  const bob = await pair('/ws?subject=bob')
  const closed = once(bob.socket, 'close')
  hub.disconnect('bob')
  hub.disconnect('bob')
  await closed
  t.strictSame(events, [
    ['add', { subject: 'alice' }],
    ['join', { subject: 'alice', topic: 'news', wildcard: false }],
    ['join', { subject: 'alice', topic: 'kiosk/#', wildcard: true }],
    ['deliver', { topic: 'news', bytes: 7, connections: 1 }],
    ['leave', { subject: 'alice', topic: 'news', wildcard: false }],
    ['refuse', { subject: 'alice', reason: 'subject' }],
    ['deliver', { topic: null, bytes: 82, connections: 1 }],
    ['drop', { subject: 'alice', reason: 'slow', bytes: 82 }],
    ['close', { subject: 'alice', reason: 'slow' }],
    ['deliver', { topic: null, bytes: 82, connections: 0 }],
    ['leave', { subject: 'alice', topic: 'kiosk/#', wildcard: true }],
    ['remove', { subject: 'alice' }],
    ['add', { subject: 'bob' }],
    ['close', { subject: 'bob', reason: 'disconnected' }],
    ['remove', { subject: 'bob' }]
  ])
  t.strictSame(hub.stats, {
    connections: 0,
    deliveries: 2,
    drops: { slow: 1, failed: 0 },
    refusals: { disconnected: 0, draining: 0, node: 0, subject: 1 },
    closes: { disconnected: 1, drained: 0, failed: 0, rate: 0, replaced: 0, slow: 1 },
    bus: { sent: 0, received: 0, lost: 0, invalid: 0 }
  })
})

t.test('health of a single node', async t => {
  const { hub, pair } = await build(t)
  await pair()
  t.strictSame(hub.health(), { status: 'ok', bus: 'none', draining: false, connections: 1 })
  t.equal(await hub.busReady(), true)
})
