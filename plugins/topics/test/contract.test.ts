import t from 'tap'
import { testTopicStore, type TopicContractTest } from '../src/contract.js'
import { MemoryTopicStore, type TopicStore } from '../src/index.js'

/** Runs the suite on a store, and returns what it found wrong. */
async function problems (create: () => TopicStore): Promise<string[]> {
  const found: string[] = []
  const run: Array<() => Promise<void>> = []
  const judge = (isRight: boolean, message: string): void => { if (!isRight) found.push(message) }
  const test: TopicContractTest = {
    test: (name, act) => {
      run.push(async () => {
        try {
          await act(test)
        } catch {
          found.push(name)
        }
      })
    },
    equal: (a, b, message) => judge(a === b, message),
    not: (a, b, message) => judge(a !== b, message),
    same: (a, b, message) => judge(JSON.stringify(a) === JSON.stringify(b), message),
    ok: (a, message) => judge(Boolean(a), message),
    teardown: () => {}
  }
  testTopicStore(test, { create, another: store => store, wait: async milliseconds => { now += milliseconds } })
  for (const act of run) await act()
  return found
}

let now = 1_000_000

t.test('the suite finds what is wrong with a store', async t => {
  const memory = (): MemoryTopicStore => new MemoryTopicStore({ now: () => now })
  t.same(await problems(memory), [], 'nothing with ours')
  const broken: Record<string, (store: MemoryTopicStore) => object> = {
    'one that never closes': () => ({ close: () => {} }),
    'one that forgets ids': store => ({ append: (topic: string, data: string, options: object) => MemoryTopicStore.prototype.append.call(store, topic, data, { ...options, id: undefined } as never) }),
    'one that hides gaps': store => ({ read: (...given: Parameters<TopicStore['read']>) => ({ ...MemoryTopicStore.prototype.read.call(store, ...given), complete: true }) }),
    'one without heads': () => ({ heads: (topics: string[]) => topics.map(() => null) }),
    'one that keeps too long': store => ({ append: (topic: string, data: string, options: object) => MemoryTopicStore.prototype.append.call(store, topic, data, { ...options, ttl: 1e9 } as never) }),
    'one that keeps too many': store => ({ append: (topic: string, data: string, options: object) => MemoryTopicStore.prototype.append.call(store, topic, data, { ...options, size: 1e9 } as never) })
  }
  for (const [name, members] of Object.entries(broken)) {
    const found = await problems(() => {
      const store = memory()
      return Object.assign(store, members(store))
    })
    t.ok(found.length > 0, `${name}: ${found[0]}`)
  }
})
