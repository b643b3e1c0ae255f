import t from 'tap'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { channels } from '../src/events.js'
import { type GuardExpireEvent, type GuardOptions, jwt } from '../src/index.js'
import { build, clock, listen, TICKET } from './helpers.js'

/** A token is its life in seconds, which begins when it is verified. */
const authenticate = jwt({ verify: token => ({ sub: 'alice', exp: Date.now() / 1000 + Number(token) }) })

async function start (t: Parameters<typeof build>[0], options: GuardOptions = { authenticate }) {
  // Before the server, which takes its clocks once.
  const set = clock(t)
  const app = await build(t)
  let heard = 0
  app.get('/ws', { websocket: true, preValidation: app.wsGuard(options) }, socket => {
    socket.on('message', () => { heard++ })
    socket.send('open')
  })
  const port = await listen(app)
  return {
    set,
    heard: () => heard,
    connect: async (protocol: string) => {
      const client = new WebSocket(`ws://127.0.0.1:${port}/ws`, [protocol, 'airlock.v1'])
      t.teardown(() => client.terminate())
      await once(client, 'message')
      return client
    }
  }
}

t.test('a socket on a one-door route is closed when its token expires, by default', async t => {
  const told: unknown[] = []
  const listener = (event: unknown): void => { told.push((event as GuardExpireEvent).subject) }
  channels.expire.subscribe(listener)
  t.teardown(() => channels.expire.unsubscribe(listener))
  const { set, connect, heard } = await start(t)
  const client = await connect('bearer.3600')
  client.on('message', () => t.fail('there is no frame before the close: all frames are the application\'s'))
  const closed = once(client, 'close')
  set.ahead += 3_600_000
  const [code, reason] = await closed
  t.strictSame([code, String(reason)], [4401, 'token expired'])
  t.strictSame(told, ['alice'])
  t.equal(heard(), 0)
})

t.test('not with closeExpired: false, nor without an expiry', async t => {
  for (const [options, protocol] of [
    [{ authenticate, closeExpired: false }, 'bearer.3600'],
    [{}, `ticket.${TICKET}`],
    [{ authenticate: () => ({ subject: 'alice' }) }, 'airlock.v2']
  ] as const) {
    await t.test(protocol, async t => {
      const { connect } = await start(t, options)
      const client = await connect(protocol)
      // Opened later, and due later than the first one: when it is closed, the first one would have been.
      const other = await start(t)
      const later = await other.connect('bearer.3700')
      const closed = once(later, 'close')
      other.set.ahead += 3_700_000
      await closed
      t.equal(client.readyState, WebSocket.OPEN)
    })
  }
})
