import type { Test } from 'tap'
import { once } from 'node:events'
import type { HubBus, WsHubOptions } from '../src/index.js'
import { build, until } from './helpers.js'

/** Gives a node its end of the bus. */
export type Connect = (t: Test) => HubBus

/** Two nodes that a bus connects. */
export async function twoNodes (t: Test, connect: Connect, options: WsHubOptions = {}) {
  const start = async () => {
    const node = await build(t, { hub: { ...options, bus: connect(t) } })
    await until(() => node.hub.health().bus === 'up')
    return node
  }
  return [await start(), await start()] as const
}

/**
 * What the hub needs of a bus, whichever it is.
 *
 * @param create makes a bus that nobody has used before
 */
export async function busContract (t: Test, create: () => Connect): Promise<void> {
  await t.test('a publication reaches every node, each socket once and in order', async t => {
    const [a, b] = await twoNodes(t, create())
    const here = await a.pair('/ws?subject=here')
    const there = await b.pair('/ws?subject=there')
    a.hub.join(here.socket, 'kiosk/hall')
    b.hub.join(there.socket, 'kiosk/hall')
    b.hub.join(there.socket, 'kiosk/+', { wildcard: true })
    b.hub.join(there.socket, '#', { wildcard: true })
    t.equal(await b.hub.subscribed(), true)
    const expected: string[] = []
    for (let number = 0; number < 100; number++) {
      t.equal(a.hub.publish('kiosk/hall', `message ${number}`), 1, 'those of this node')
      expected.push(`message ${number}`)
    }
    a.hub.broadcast('the end')
    await until(() => there.messages.at(-1) === 'the end')
    t.strictSame(there.messages, [...expected, 'the end'])
    t.strictSame(here.messages, there.messages)
    t.equal(a.hub.stats.bus.sent, 101)
    t.equal(a.hub.stats.bus.received, 0)
    t.equal(b.hub.stats.bus.received, 101)
  })

  await t.test('payloads arrive unchanged', async t => {
    const [a, b] = await twoNodes(t, create())
    const { client } = await b.pair()
    const received: Array<[string, boolean]> = []
    client.on('message', (data, isBinary) => { received.push([(data as Buffer).toString('base64'), isBinary]) })
    const payloads = [
      'hello', '', 'grüße, 世界 🌍', Buffer.alloc(0), Buffer.from([0, 255, 128]), 'x'.repeat(70_000), Buffer.alloc(70_000, 1)
    ]
    for (const payload of payloads) a.hub.broadcast(payload)
    await until(() => received.length === payloads.length)
    t.strictSame(received, payloads.map(payload => [Buffer.from(payload).toString('base64'), typeof payload !== 'string']))
  })

  await t.test('characters of topics mean nothing to the bus', async t => {
    const [a, b] = await twoNodes(t, create())
    const { socket, messages } = await b.pair()
    const topics = ['kiosk/+', '#', 'a*', 'a?', '[ab]', 'a\\', '%002b', 'é 🌍', '$x.y']
    for (const topic of topics) b.hub.join(socket, topic)
    b.hub.join(socket, '[xy]*/+', { wildcard: true })
    await b.hub.subscribed()
    for (const other of ['kiosk/hall', 'ab', 'a', 'b', '+', 'x/1']) a.hub.publish(other, `wrong: ${other}`)
    for (const topic of topics) a.hub.publish(topic, topic)
    a.hub.publish('[xy]*/1', 'pattern')
    await until(() => messages.at(-1) === 'pattern')
    t.strictSame(messages, [...topics, 'pattern'])
  })

  await t.test('topics that nobody here has joined cost nothing here', async t => {
    const [a, b] = await twoNodes(t, create())
    const { socket, messages } = await b.pair()
    b.hub.join(socket, 'news')
    await b.hub.subscribed()
    for (let number = 0; number < 10; number++) a.hub.publish('elsewhere', 'lost')
    a.hub.publish('news', 'first')
    await until(() => messages.length === 1)
    b.hub.leave(socket, 'news')
    b.hub.join(socket, 'other')
    await b.hub.subscribed()
    a.hub.publish('news', 'second')
    a.hub.publish('other', 'third')
    await until(() => messages.length === 2)
    t.strictSame(messages, ['first', 'third'])
    t.equal(b.hub.stats.bus.received, 2)
  })

  await t.test('leaving and joining at once loses nothing that comes later', async t => {
    const [a, b] = await twoNodes(t, create())
    const { socket, messages } = await b.pair()
    for (let number = 0; number < 5; number++) {
      b.hub.join(socket, 'news')
      b.hub.join(socket, 'news/#', { wildcard: true })
      b.hub.leave(socket, 'news')
      b.hub.leave(socket, 'news/#', { wildcard: true })
    }
    b.hub.join(socket, 'news')
    await b.hub.subscribed()
    a.hub.publish('news', 'one')
    a.hub.broadcast('two')
    await until(() => messages.length === 2)
    t.strictSame(messages, ['one', 'two'])
  })

  await t.test('a user is disconnected everywhere', async t => {
    const [a, b] = await twoNodes(t, create())
    const closed = once((await b.pair('/ws?subject=alice')).client, 'close')
    const bob = await b.pair('/ws?subject=bob')
    t.equal(a.hub.disconnect('alice', { code: 4000, reason: 'out' }), 0, 'none of this node')
    t.strictSame((await closed).map(String), ['4000', 'out'])
    a.hub.broadcast('still here')
    await until(() => bob.messages.length === 1)
  })
}
