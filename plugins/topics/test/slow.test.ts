import t from 'tap'
import { once } from 'node:events'
import type { Message } from '../../../test/extension-client.js'
import { build, type Client } from './helpers.js'

const KEPT = { topics: { '#': { history: { size: 10_000, ttl: 600_000 } } } }
const LARGE = 'x'.repeat(60_000)

/** The offsets that a client has got of a topic, in the order in which they came. */
const offsets = ({ all }: Client, topic: string): number[] => all.filter(message => message.topic === topic)
  .flatMap(({ messages, position, type }): Message[] => messages ?? (type === 'topic:message' ? [{ position }] : []))
  .map(({ position }) => position.offset)

const upTo = (last: number): number[] => Array.from({ length: last }, (_, n) => n + 1)

t.test('a slow reader misses nothing in silence, whatever slowConsumer says', async t => {
  for (const slowConsumer of ['terminate', 'drop'] as const) {
    const { connect, topics, app } = await build(t, { topics: KEPT, hub: { slowConsumer } })
    const client = await connect()
    const { position } = await client.subscribe('news')
    client.socket.pause()
    let last = 0
    while (app.wsHub.stats.drops.slow === 0) {
      await topics.publish('news', LARGE)
      last++
    }
    for (let n = 0; n < 3; n++) await topics.publish('news', 'later')
    last += 3
    client.socket.resume()
    await once(client.socket, 'close')
    const got = offsets(client, 'news')
    t.same(got, upTo(got.length), 'none is left out')
    const back = await connect()
    await back.subscribe('news', { ...position, offset: got.length })
    await back.next(({ more }) => more === undefined && offsets(back, 'news').at(-1) === last)
    t.same([...got, ...offsets(back, 'news')], upTo(last), slowConsumer)
  }
})

t.test('a client that comes back to much of many topics gets all of it, at its own pace', async t => {
  const { connect, topics, app } = await build(t, { topics: KEPT, hub: { maxBufferedBytes: 256 * 1024 } })
  const names = upTo(80).map(n => `topic/${n}`)
  const since = await Promise.all(names.map(async topic => ({ ...(await topics.publish(topic, 0)).position, offset: 0 })))
  for (const topic of names) for (let n = 0; n < 3; n++) await topics.publish(topic, LARGE)
  const client = await connect()
  client.socket.pause()
  client.send({ type: 'topic:subscribe', topics: names.map((topic, at) => ({ topic, since: since[at] })) })
  while (topics.stats.resumed.recovered < 1) await new Promise(resolve => setImmediate(resolve))
  client.socket.resume()
  for (const topic of names) await (async () => { while (offsets(client, topic).length < 4) await client.next() })()
  for (const topic of names) t.same(offsets(client, topic), upTo(4))
  t.equal(app.wsHub.stats.drops.slow, 0)
})
