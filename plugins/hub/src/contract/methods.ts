import type { HubBus, HubBusListener, HubBusMessage } from '../bus.js'
import type { ContractSettings, ContractTest } from './types.js'
import { until } from './until.js'

/** The three methods, called directly. */
export function testMethods (t: ContractTest, { create }: ContractSettings): void {
  const open = async (t: ContractTest): Promise<[HubBus, HubBus]> => {
    const connect = create({ interrupted: false })
    const ends: [HubBus, HubBus] = [await connect(t), await connect(t)]
    // Until an end hears itself it may have no connection yet, and miss what others emit. The hubs wait for that as well.
    await Promise.all(ends.map(async (end, index) => {
      const { messages } = await subscribe(end, `self/${index}`)
      emit(end, { topic: `self/${index}` })
      await until(() => messages.length > 0)
    }))
    return ends
  }

  t.test('a message reaches all nodes, its sender included, and arrives with all its members', async t => {
    const [a, b] = await open(t)
    const ends = [await subscribe(a, 'x/topic'), await subscribe(b, 'x/topic')]
    const payloads = [Buffer.alloc(0), Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), Buffer.alloc(70_000, 1)]
    const members = {
      node: 'A-b_9', age: 1_000.5, code: 4403, binary: true, local: false, reason: 'grüße, 世界 🌍 \0', subject: ''
    }
    payloads.forEach((payload, sequence) => emit(a, { topic: 'x/topic', ...members, sequence, payload }))
    for (const { messages } of ends) {
      await until(() => distinct(messages).length === payloads.length)
      for (const [sequence, payload] of payloads.entries()) {
        const found = distinct(messages)[sequence] as Record<string, unknown>
        for (const [name, value] of Object.entries({ ...members, topic: 'x/topic', sequence })) t.equal(found[name], value, name)
        t.equal(found.payload instanceof Uint8Array, true, 'bytes')
        t.equal(payload.equals(found.payload as Uint8Array), true, `the same ${payload.length} bytes`)
      }
    }
  })

  t.test('patterns match as they do in the hub, with empty levels', async t => {
    const [a, b] = await open(t)
    const patterns = ['x/#', 'x/a/#', 'x/+', 'x/a/+', 'x/+/b', 'x/a/+/b', 'x/+/+/#']
    const topics = ['x', 'x/', 'x/a', 'x/ab', 'x//', 'x/a/', 'x/a/b', 'x//b', 'x/a//b', 'x/a/b/c', 'y/a', 'xa']
    const ends = []
    for (const pattern of patterns) ends.push({ pattern, ...await subscribe(b, pattern) })
    const last = await subscribe(b, 'z')
    ;[...topics, 'z'].forEach((topic, sequence) => emit(a, { topic, sequence }))
    for (const { pattern, messages } of ends) {
      const wanted = topics.filter(topic => matches(pattern.split('/'), topic.split('/')))
      await until(() => last.messages.length > 0 && distinct(messages).length >= wanted.length)
      t.same(distinct(messages).map(({ topic }) => topic).sort(), wanted.sort(), pattern)
    }
  })

  t.test('a confirmed subscription misses nothing', async t => {
    const [a, b] = await open(t)
    await Promise.all(Array.from({ length: 20 }, async (_, sequence) => {
      const topic = `x/${sequence}`
      const { messages } = await subscribe(b, sequence % 2 === 0 ? topic : `${topic}/#`)
      emit(a, { topic, sequence })
      await until(() => messages.length > 0)
    }))
  })

  t.test('a listener that is removed takes no other with it', async t => {
    const [a, b] = await open(t)
    const first = await subscribe(b, 'x/topic')
    const second = await subscribe(b, 'x/topic')
    first.remove()
    const third = await subscribe(b, 'x/topic')
    second.remove()
    emit(a, { topic: 'x/topic', sequence: 1 })
    await until(() => third.messages.length > 0)
    third.remove()
    const fourth = await subscribe(b, 'x/topic')
    emit(a, { topic: 'x/topic', sequence: 2 })
    await until(() => fourth.messages.some(({ sequence }) => sequence === 2))
    t.equal(first.messages.length, 0, 'the first one was removed in time')
  })
}

/** A confirmed subscription. */
async function subscribe (bus: HubBus, topic: string): Promise<{ messages: HubBusMessage[], remove: () => void }> {
  const messages: HubBusMessage[] = []
  const listener: HubBusListener = (message, done) => {
    messages.push(message)
    done()
  }
  await new Promise<void>(resolve => { bus.on(topic, listener, resolve) })
  return { messages, remove: () => { bus.removeListener(topic, listener) } }
}

/** Not every bus calls back when it has taken the message. */
function emit (bus: HubBus, message: HubBusMessage): void {
  bus.emit(message, () => {})
}

/** Duplicates are allowed. */
function distinct (messages: HubBusMessage[]): HubBusMessage[] {
  return [...new Map(messages.map(message => [message.sequence, message])).values()]
}

function matches ([level, ...levels]: string[], topic: string[]): boolean {
  if (level === '#') return true
  if (level === undefined || topic.length === 0) return level === undefined && topic.length === 0
  return (level === '+' || level === topic[0]) && matches(levels, topic.slice(1))
}
