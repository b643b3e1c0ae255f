import t from 'tap'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { channels } from '../src/events.js'
import { type GuardExpireEvent, type GuardOptions, jwt } from '../src/index.js'
import { build, listen, TICKET } from './helpers.js'

/** A token is its life in milliseconds, which begins when it is verified: no slow machine can be too late for it. */
const authenticate = jwt({ verify: token => ({ sub: 'alice', exp: (Date.now() + Number(token)) / 1000 }) })

async function start (t: Parameters<typeof build>[0], options: GuardOptions = { authenticate }) {
  const app = await build(t)
  let heard = 0
  app.get('/ws', { websocket: true, preValidation: app.wsGuard(options) }, socket => {
    socket.on('message', () => { heard++ })
    socket.send('open')
  })
  const port = await listen(app)
  return {
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
  const { connect, heard } = await start(t)
  const client = await connect('bearer.500')
  client.on('message', () => t.fail('there is no frame before the close: all frames are the application\'s'))
  const [code, reason] = await once(client, 'close')
  t.strictSame([code, String(reason)], [4401, 'token expired'])
  t.strictSame(told, ['alice'])
  t.equal(heard(), 0)
})

t.test('not with closeExpired: false, nor without an expiry', async t => {
  for (const [options, protocol] of [
    [{ authenticate, closeExpired: false }, 'bearer.500'],
    [{}, `ticket.${TICKET}`],
    [{ authenticate: () => ({ subject: 'alice' }) }, 'airlock.v2']
  ] as const) {
    const { connect } = await start(t, options)
    const client = await connect(protocol)
    // Opened later, and due later than the first one: when it is closed, the first one would have been.
    const other = await start(t)
    await once(await other.connect('bearer.700'), 'close')
    t.equal(client.readyState, WebSocket.OPEN)
  }
})
