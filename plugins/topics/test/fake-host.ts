import type { TopicFrame, TopicHost, TopicMember } from '@fastify-airlock/core'
import { TopicLog } from '../src/log.js'
import { messageText } from '../src/messages.js'
import type { HistoryOptions } from '../src/options.js'
import { createStats } from '../src/stats.js'
import { StoreCalls } from '../src/store-calls.js'
import type { TopicPosition, TopicRead } from '../src/store.js'
import { MemoryTopicStore } from '../src/stores/memory.js'

interface FakeFrame extends TopicFrame {
  text: string
}

/** A connection that keeps what it is sent. */
export class FakeMember implements TopicMember {
  readonly subject = 'alice'
  readonly identity = { subject: 'alice' }
  readonly since = 0
  readonly got: any[] = []
  readonly socket = { readyState: 1, OPEN: 1, bufferedAmount: 0 } as any

  /** What it has got, shortly: data, or gaps. */
  get short (): unknown[] {
    return this.got.flatMap(({ type, data, position, messages }) =>
      type === 'topic:gap' ? [`gap ${position.offset}`] : messages?.map(({ data }: { data: unknown }) => data) ?? [data])
  }
}

/** A log with a store that a test answers for, where no hub can be made to do what is tested: lose, delay and reorder. */
export function openLog (options: { gapTimeout?: number, history?: HistoryOptions | false | undefined } = {}) {
  const { gapTimeout = 60_000, history } = { history: { size: 1_000, ttl: 60_000 }, ...options }
  const memory = new MemoryTopicStore()
  const answers = {
    read: (since: TopicPosition | null, limit: number): TopicRead | Promise<TopicRead> => memory.read('news', since, limit),
    open: (): TopicPosition | Promise<TopicPosition> => memory.open('news', 60_000)
  }
  const store = Object.assign(Object.create(memory), {
    read: (_: string, since: TopicPosition | null, limit: number) => answers.read(since, limit),
    open: () => answers.open()
  })
  const warnings: string[] = []
  const stats = createStats()
  const host = {
    maxFrameBytes: 1024 * 1024,
    frame: (text: string): FakeFrame => ({ text, bytes: Buffer.from(text) }),
    deliver: (_: string, members: Iterable<FakeMember>, { text }: FakeFrame) => {
      for (const member of members) member.got.push(JSON.parse(text))
    }
  } as unknown as TopicHost
  const log = new TopicLog('news', history, {
    host, store, calls: new StoreCalls(60_000), stats, gapTimeout, log: { warn: (_: unknown, text?: string) => { warnings.push(text as string) } } as any
  })
  /** Appends to the store. */
  const append = (data: unknown) => memory.append('news', JSON.stringify(data), { size: 10_000, ttl: 60_000 }).position
  /** What the bus brings. */
  const bring = (position: TopicPosition, data: unknown) => log.receive(host.frame(messageText('news', JSON.stringify(data), position)), position)
  return { memory, answers, stats, log, append, bring, warnings, host }
}
