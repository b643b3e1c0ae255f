import t, { type Test } from 'tap'
import type { TopicPosition, TopicRead } from '../src/index.js'
import { FakeMember, openLog } from './fake-host.js'
import { until } from './helpers.js'

/** The waits of a log do not keep a process alive. */
function stayAlive (t: Test): void {
  const alive = setInterval(() => {}, 2 ** 30)
  t.teardown(() => clearInterval(alive))
}

function deferred<T> () {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((_resolve, _reject) => { [resolve, reject] = [_resolve, _reject] })
  return { promise, resolve, reject }
}

const away = (): never => { throw new Error('away') }

async function started (options?: Parameters<typeof openLog>[0]) {
  const opened = openLog(options)
  await opened.log.start()
  const member = new FakeMember()
  opened.log.join(member)
  return { ...opened, member }
}

t.test('messages are delivered in order, and each once', async t => {
  stayAlive(t)
  const { log, append, bring, member, stats } = await started()
  const at = [1, 2, 3, 4].map(append) as [TopicPosition, TopicPosition, TopicPosition, TopicPosition]
  bring(at[0], 1)
  bring(at[0], 1)
  bring(at[1], 2)
  t.same(member.short, [1, 2])
  bring(at[3], 4)
  bring(at[3], 4)
  t.same(member.short, [1, 2], 'it waits for the one before')
  bring(at[2], 3)
  t.same(member.short, [1, 2, 3, 4])
  await log.fetch()
  bring(at[2], 3)
  t.same(member.short, [1, 2, 3, 4])
  t.same(log.position, at[3])
  t.equal(stats.gaps, 0)
})

t.test('what the bus has lost is fetched before anything goes on', async t => {
  stayAlive(t)
  const { log, append, bring, member, stats } = await started()
  const positions = Array.from({ length: 500 }, (_, n) => append(n + 1))
  bring(positions[499] as TopicPosition, 500)
  await log.fetch()
  t.same(member.short, Array.from({ length: 500 }, (_, n) => n + 1), 'in several reads')
  append(501)
  log.compare(log.position)
  t.equal(stats.fetches, 1, 'nothing is missing')
  log.compare(null)
  log.compare(append(502))
  await log.fetch()
  t.same(member.short.slice(500), [501, 502], 'the last one as well')
  t.equal(stats.fetches, 2)
})

t.test('what is older than the history is told as a gap', async t => {
  stayAlive(t)
  const { log, memory, bring, member, stats } = await started()
  for (let n = 1; n <= 9; n++) memory.append('news', `${n}`, { size: 3, ttl: 60_000 })
  bring({ ...log.position as TopicPosition, offset: 9 }, 9)
  await log.fetch()
  t.same(member.short, ['gap 6', 7, 8, 9])
  t.equal(stats.gaps, 1)
})

t.test('a log that has begun anew is told as a gap', async t => {
  stayAlive(t)
  const { log, answers, bring, member } = await started()
  const position = { epoch: 'second', offset: 5 }
  answers.read = () => ({ position, messages: [{ offset: 5, data: '5' }], complete: false })
  bring({ epoch: 'second', offset: 5 }, 5)
  await log.fetch()
  t.same(member.got.map(({ position }) => position), [{ epoch: 'second', offset: 4 }, position])
  answers.read = () => ({ position: { epoch: 'third', offset: 3 }, messages: [], complete: false })
  log.compare({ epoch: 'third', offset: 3 })
  await log.fetch()
  t.same(log.position, { epoch: 'third', offset: 3 }, 'nothing of it is there any more')
  t.same(member.short.slice(2), ['gap 3'])
})

t.test('a store that has lost what it had is told as a gap', async t => {
  stayAlive(t)
  const { log, answers, append, bring, member } = await started()
  for (const n of [1, 2, 3]) bring(append(n), n)
  const { epoch } = log.position as TopicPosition
  answers.read = () => ({ position: { epoch, offset: 1 }, messages: [], complete: false })
  log.compare({ epoch, offset: 1 })
  await log.fetch()
  t.same(member.short, [1, 2, 3, 'gap 1'])
  bring({ epoch, offset: 2 }, 'another')
  t.same(member.short.at(-1), 'another')
})

t.test('what the bus brings while the store is asked is no gap', async t => {
  stayAlive(t)
  const { log, answers, append, bring, member, stats } = await started()
  const at = [1, 2, 3].map(append) as [TopicPosition, TopicPosition, TopicPosition]
  const read = deferred<TopicRead>()
  answers.read = () => read.promise
  bring(at[2], 3)
  const fetched = log.fetch()
  bring(at[0], 1)
  bring(at[1], 2)
  t.same(member.short, [1, 2, 3])
  read.resolve({ position: at[2], messages: [{ offset: 3, data: '3' }], complete: false })
  await fetched
  t.same(member.short, [1, 2, 3])
  t.equal(stats.gaps, 0)
})

t.test('what nobody has published is dropped', async t => {
  stayAlive(t)
  const { log, append, bring, member } = await started()
  const { epoch } = append(1)
  bring({ epoch, offset: 7 }, 'forged')
  await log.fetch()
  t.same(member.short, [1])
  bring({ epoch: 'forged', offset: 1 }, 'forged')
  await log.fetch()
  t.same(member.short, [1])
  bring(append(2), 2)
  t.same(member.short, [1, 2], 'and holds nothing up')
})

t.test('a store that forgets the topic says nothing', async t => {
  stayAlive(t)
  const { log, answers, append, bring, member } = await started()
  bring(append(1), 1)
  answers.read = () => ({ position: null, messages: [], complete: false })
  bring({ ...log.position as TopicPosition, offset: 7 }, 7)
  await log.fetch()
  t.same(member.short, [1])
})

t.test('with the store away, the gap is told and what came goes on', async t => {
  stayAlive(t)
  const { log, answers, append, bring, member, warnings, stats } = await started({ gapTimeout: 1 })
  const at = Array.from({ length: 9 }, (_, n) => append(n + 1))
  answers.read = away
  bring(at[0] as TopicPosition, 1)
  for (const n of [3, 4, 8]) bring(at[n - 1] as TopicPosition, n)
  t.same(member.short, [1])
  await log.fetch()
  t.same(member.short, [1, 'gap 2', 3, 4, 'gap 7', 8])
  t.match(warnings[0], /gap/)
  t.equal(stats.gaps, 2)
  bring(at[8] as TopicPosition, 9)
  t.same(member.short.at(-1), 9)
})

t.test('with the store and the bus away, it is told that nothing is known', async t => {
  stayAlive(t)
  const { log, answers, append, bring, member } = await started({ gapTimeout: 1 })
  bring(append(1), 1)
  answers.read = away
  log.suspect()
  await log.fetch()
  t.same(member.short, [1, 'gap 1'])
  log.suspect()
  log.compare({ epoch: 'x', offset: 1 })
  await log.fetch()
  t.same(member.short, [1, 'gap 1', 'gap 1'])
})

t.test('a store that comes back in time leaves no gap', async t => {
  stayAlive(t)
  const { log, answers, memory, append, bring, member } = await started()
  append(1)
  let failures = 2
  answers.read = (since, limit) => failures-- > 0 ? Promise.reject(new Error('away')) : memory.read('news', since, limit)
  bring(append(2), 2)
  log.suspect()
  await log.fetch()
  t.same(member.short, [1, 2])
})

t.test('a log that nobody needs any more asks no further', async t => {
  stayAlive(t)
  for (const how of ['answer', 'error'] as const) {
    const { log, answers, append, bring, member } = await started()
    append(1)
    const read = deferred<TopicRead>()
    answers.read = () => read.promise
    bring(append(2), 2)
    const fetched = log.fetch()
    log.close()
    if (how === 'answer') read.resolve({ position: log.position, messages: [], complete: true })
    else read.reject(new Error('away'))
    await fetched
    t.same(member.short, [])
    await log.fetch()
  }
})

t.test('messages that come before the position is known wait for it', async t => {
  stayAlive(t)
  const { log, answers, append, bring } = openLog()
  const position = append(1)
  const opening = deferred<TopicPosition>()
  answers.open = () => opening.promise
  const member = new FakeMember()
  const done = [log.start(), log.start()]
  log.join(member)
  bring(append(2), 2)
  append(3)
  bring(append(4), 4)
  log.compare({ ...position, offset: 4 })
  opening.resolve(position)
  await Promise.all(done)
  await log.fetch()
  t.same(member.short, [2, 3, 4])
  await log.start()
})

t.test('a topic of which the options say nothing', async t => {
  stayAlive(t)
  // Nothing is known of it, and then there is.
  for (const how of ['message', 'head', 'while it starts'] as const) {
    const { log, answers, append, bring, member: none } = { ...openLog({ history: undefined }), member: new FakeMember() }
    const read = deferred<TopicRead>()
    const { read: later } = answers
    if (how === 'while it starts') answers.read = () => read.promise
    const start = log.start()
    log.join(none)
    if (how === 'while it starts') {
      append(1)
      bring(append(2), 2)
      answers.read = later
      read.resolve({ position: null, messages: [], complete: false })
      await start
    } else {
      await start
      t.equal(log.position, null)
      append(1)
      const position = append(2)
      if (how === 'message') bring(position, 2)
      else log.compare(position)
    }
    await log.fetch()
    t.same(none.short, [1, 2], how)
  }
  // The store could not be asked.
  const { log, answers, append, bring } = openLog({ history: undefined })
  answers.read = away
  await t.rejects(log.start())
  const member = new FakeMember()
  log.join(member)
  log.compare({ epoch: 'x', offset: 1 })
  log.suspect()
  append(1)
  bring(append(2), 2)
  t.same(member.short, [2], 'from what comes on')
  const off = openLog({ history: false })
  off.answers.read = away
  await off.log.start()
  t.equal(off.log.position, null, 'or says that it is not kept')
})

t.test('resuming: page by page, and live only after the last', async t => {
  stayAlive(t)
  const { log, append, bring, stats } = openLog()
  const first = append(0)
  await log.start()
  const since = { ...first }
  for (let n = 1; n <= 450; n++) bring(append(n), n)
  const member = new FakeMember()
  const answers: any[] = []
  await log.resume({ member, over: false }, since, frame => { answers.push(JSON.parse((frame as any).text)) })
  t.equal(answers.length, 1)
  t.match(answers[0], { type: 'topic:subscribed', recovered: true, more: true })
  t.same(member.got.map(({ type, more }) => [type, more]), [['topic:messages', true], ['topic:messages', undefined]])
  t.same([...answers[0].messages.map(({ data }: any) => data), ...member.short], Array.from({ length: 450 }, (_, n) => n + 1))
  bring(append(451), 451)
  t.equal(member.short.at(-1), 451)
  t.same(stats.resumed, { recovered: 1, gap: 0 })
})

t.test('resuming while messages come', async t => {
  stayAlive(t)
  for (const remembered of [true, false]) {
    const { log, append, bring, answers, memory } = openLog()
    const since = append(0)
    await log.start()
    bring(append(1), 1)
    const read = deferred<void>()
    const member = new FakeMember()
    let reads = 0
    answers.read = async (since, limit) => {
      const found = memory.read('news', since, limit)
      if (reads++ === 0) await read.promise
      return found
    }
    const got: unknown[] = []
    const done = log.resume({ member, over: false }, since, frame => { got.push(...JSON.parse((frame as any).text).messages.map(({ data }: any) => data)) })
    const count = remembered ? 10 : 1_500
    for (let n = 2; n <= count; n++) bring(append(n), n)
    read.resolve()
    await done
    t.same([...got, ...member.short], Array.from({ length: count }, (_, n) => n + 1), remembered ? 'from memory' : 'from the store')
    t.equal(reads === 1, remembered)
  }
})

t.test('who stands before this node gets nothing twice', async t => {
  stayAlive(t)
  const { log, append, bring, member: other } = await started()
  const at = [1, 2, 3].map(append) as [TopicPosition, TopicPosition, TopicPosition]
  const member = new FakeMember()
  const answers: any[] = []
  await log.resume({ member, over: false }, at[1], frame => { answers.push(JSON.parse((frame as any).text)) })
  t.match(answers, [{ recovered: true, position: at[2], messages: [{ data: 3 }] }])
  const leaving = new FakeMember()
  await log.resume({ member: leaving, over: false }, at[2], () => {})
  log.leave(leaving)
  for (const [n, position] of at.entries()) bring(position, n + 1)
  t.same(member.short, [])
  t.same(other.short, [1, 2, 3])
  bring(append(4), 4)
  t.same(member.short, [4])
})

t.test('who has had what the others have lost is told of no gap, and gets nothing twice', async t => {
  stayAlive(t)
  const { log, append, bring, answers, memory, member: other } = await started()
  const at = [1, 2, 3, 4].map(append) as [TopicPosition, TopicPosition, TopicPosition, TopicPosition]
  const standAt = async (position: TopicPosition): Promise<FakeMember> => {
    const member = new FakeMember()
    await log.resume({ member, over: false }, position, () => {})
    return member
  }
  // The node is told that the topic is at 4 only when two of its clients have come from elsewhere.
  const [ahead, further] = [await standAt(at[2]), await standAt(at[2])]
  answers.read = () => ({ position: at[2], messages: [], complete: false })
  log.compare(at[2])
  await log.fetch()
  t.same(other.short, ['gap 3'])
  t.same([ahead.short, further.short], [[], []])
  bring(at[3], 4)
  t.same(other.short, ['gap 3', 4])
  t.same(ahead.short, [], 'it has had it')
  answers.read = (since, limit) => memory.read('news', since, limit)
  bring(append(5), 5)
  t.same([ahead.short, further.short], [[5], [5]])

  const last = await standAt(append(6))
  answers.read = () => ({ position: { ...at[0], offset: 7 }, messages: [], complete: false })
  log.compare({ ...at[0], offset: 7 })
  await log.fetch()
  t.same(last.short, ['gap 7'], 'one who stands before it is told')
  const forgotten = await standAt({ ...at[0], offset: 7 })
  answers.read = () => ({ position: { epoch: 'second', offset: 3 }, messages: [], complete: false })
  log.compare({ epoch: 'second', offset: 3 })
  await log.fetch()
  t.same(forgotten.short, ['gap 3'], 'and so is everybody of a log that has begun anew')
})

t.test('many who stand at one place are read for once, and never what is outdated', async t => {
  stayAlive(t)
  const { log, append, bring, answers, memory } = openLog()
  const since = append(0)
  await log.start()
  bring(append(1), 1)
  let reads = 0
  answers.read = (since, limit) => { reads++; return memory.read('news', since, limit) }
  const frames = new Set<unknown>()
  for (let n = 0; n < 100; n++) await log.resume({ member: new FakeMember(), over: false }, since, frame => { frames.add(frame) })
  t.equal(reads, 1)
  t.equal(frames.size, 1, 'one frame for all')
  bring(append(2), 2)
  const got: any[] = []
  await log.resume({ member: new FakeMember(), over: false }, since, frame => { got.push(JSON.parse((frame as any).text)) })
  t.same(got[0].messages.map(({ data }: any) => data), [1, 2])
  t.equal(reads, 2)
})

t.test('resuming where something is missing', async t => {
  stayAlive(t)
  const { log, memory, answers, append, bring, stats } = openLog({ gapTimeout: 1 })
  const since = append(0)
  await log.start()
  for (let n = 1; n < 9; n++) bring(memory.append('news', `${n}`, { size: 3, ttl: 60_000 }).position, n)
  const resume = async (since: TopicPosition, member = new FakeMember()): Promise<unknown> => {
    let answer: unknown = 'none'
    await log.resume({ member, over: false }, since, frame => { answer = frame })
    bring(append('next'), 'next')
    t.equal(member.short.at(-1), 'next', 'what is new follows')
    return answer
  }
  t.equal(await resume(since), null, 'beyond the size')
  t.equal(await resume({ epoch: 'another', offset: 3 }), null, 'another epoch')
  t.equal(await resume({ ...since, offset: 1_000 }), null, 'beyond the end')
  answers.read = () => ({ position: null, messages: [], complete: false })
  t.equal(await resume({ ...since, offset: 6 }), null, 'forgotten')
  answers.read = away
  t.equal(await resume({ ...since, offset: 7 }), null, 'the store is away')
  t.same(stats.resumed, { recovered: 0, gap: 5 })
})

t.test('the rest of a catch-up is missing', async t => {
  stayAlive(t)
  const { log, memory, answers, append, bring } = openLog({ gapTimeout: 1 })
  const since = append(0)
  await log.start()
  for (let n = 1; n <= 300; n++) bring(append(n), n)
  let reads = 0
  answers.read = (since, limit) => ++reads === 1 ? memory.read('news', since, limit) : away()
  const member = new FakeMember()
  await log.resume({ member, over: false }, since, () => {})
  t.same(member.short, ['gap 301'])
})

t.test('a new epoch that a client knows before its node', async t => {
  stayAlive(t)
  const { log, answers, member: other } = await started()
  const position = { epoch: 'second', offset: 2 }
  answers.read = since => ({ position, messages: [{ offset: 2, data: '2' }], complete: since?.epoch === 'second' })
  const member = new FakeMember()
  let answer: any
  await log.resume({ member, over: false }, { epoch: 'second', offset: 1 }, frame => { answer = frame })
  t.match(JSON.parse(answer.text), { recovered: true, position })
  t.same(log.position, position, 'its node knows it now')
  t.same(other.short, ['gap 1', 2])
  answers.read = () => ({ position: { epoch: 'third', offset: 0 }, messages: [], complete: false })
  await log.resume({ member: new FakeMember(), over: false }, { epoch: 'first', offset: 1 }, frame => { answer = frame })
  t.equal(answer, null)
  t.same(log.position, { epoch: 'third', offset: 0 })
})

t.test('a subscription that ends while it catches up gets nothing more', async t => {
  stayAlive(t)
  const points = ['read', 'page', 'epoch', 'gap', 'gap of an epoch'] as const
  for (const point of points) {
    const { log, answers, memory, append, bring } = openLog()
    const since = append(0)
    await log.start()
    for (let n = 1; n <= 300; n++) bring(append(n), n)
    const subscription = { member: new FakeMember(), over: false }
    let answered = 0
    if (point === 'read') answers.read = (since, limit) => { subscription.over = true; return memory.read('news', since, limit) }
    if (point === 'epoch' || point === 'gap of an epoch') {
      let reads = 0
      answers.read = () => {
        if (++reads === 2) subscription.over = true
        return { position: { epoch: 'second', offset: 1 }, messages: [{ offset: 1, data: '1' }], complete: point === 'epoch' }
      }
    }
    if (point === 'gap') answers.read = () => { subscription.over = true; return { position: log.position, messages: [], complete: false } }
    const from = point === 'epoch' ? { epoch: 'second', offset: 0 } : since
    await log.resume(subscription, from, () => {
      answered++
      if (point === 'page') subscription.over = true
    })
    t.equal(answered, point === 'page' || point === 'epoch' ? 1 : 0, point)
    bring(append('next'), 'next')
    t.same(subscription.member.short, [], point)
  }
})

t.test('a slow client is waited for', async t => {
  stayAlive(t)
  const { log, append, bring } = openLog()
  const since = append(0)
  await log.start()
  for (let n = 1; n <= 450; n++) bring(append(n), n)
  const member = new FakeMember()
  member.socket.bufferedAmount = 300_000
  const done = log.resume({ member, over: false }, since, () => {})
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  t.equal(member.got.length, 0)
  member.socket.bufferedAmount = 0
  await done
  await until(() => member.got.length === 2)
  const over = { member: new FakeMember(), over: false }
  over.member.socket.bufferedAmount = 300_000
  const ended = log.resume(over, since, () => { t.fail() })
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  over.over = true
  await ended
  t.equal(over.member.got.length, 0, 'unless it wants nothing any more')
  const gone = new FakeMember()
  gone.socket.bufferedAmount = 300_000
  gone.socket.readyState = 3
  await log.resume({ member: gone, over: false }, since, () => {})
})

t.test('the catch-ups of many topics share the room of one connection', async t => {
  stayAlive(t)
  for (const [maxFrameBytes, count] of [[1024 * 1024, 200], [64 * 1024, 200], [4 * 1024, 20]] as const) {
    const member = new FakeMember()
    let most = 0
    const topics = await Promise.all(Array.from({ length: 8 }, async () => {
      const { log, append, host } = openLog()
      Object.assign(host, { maxFrameBytes })
      const deliver = host.deliver.bind(host)
      host.deliver = (topic, members, frame) => {
        member.socket.bufferedAmount += frame.bytes.length
        most = Math.max(most, member.socket.bufferedAmount)
        return deliver(topic, members, frame)
      }
      const since = append(0)
      await log.start()
      // The last is as large as a publication may be.
      for (let n = 1; n <= count; n++) append('x'.repeat(n === count ? maxFrameBytes - 1_030 : Math.min(maxFrameBytes / 8, 1_000)))
      return { log, since, answer: (frame: any) => { host.deliver('', [member], frame) } }
    }))
    const done = Promise.all(topics.map(async ({ log, since, answer }) => log.resume({ member, over: false }, since, answer)))
    const reader = setInterval(() => { member.socket.bufferedAmount = 0 }, 1)
    await done
    clearInterval(reader)
    t.ok(most <= maxFrameBytes, `${most} of ${maxFrameBytes}`)
    t.equal(member.short.length, 8 * count)
  }
})

t.test('what is remembered for who catches up is bounded', async t => {
  stayAlive(t)
  for (const [count, size, isRemembered] of [[4, 200_000, true], [8, 200_000, false], [1_000, 10, true], [1_001, 10, false]] as const) {
    const { log, append, bring, answers, memory } = openLog()
    const since = append(0)
    await log.start()
    bring(append(1), 1)
    let reads = 0
    answers.read = (since, limit) => { reads++; return memory.read('news', since, limit) }
    const member = new FakeMember()
    member.socket.bufferedAmount = 300_000
    const done = log.resume({ member, over: false }, since, frame => { member.got.push(JSON.parse((frame as any).text)) })
    await new Promise(resolve => setImmediate(resolve))
    for (let n = 0; n < count; n++) {
      const data = 'x'.repeat(size)
      bring(append(data), data)
    }
    member.socket.bufferedAmount = 0
    await done
    t.equal(member.short.length, count + 1, 'all the same')
    t.equal(reads === 1, isRemembered, `${count} of ${size} bytes`)
  }
})

t.test('what is larger than this node takes is told as a gap, and ends nobody', async t => {
  stayAlive(t)
  const { log, append, bring, member, host, stats } = await started()
  const other = new FakeMember()
  Object.assign(host, { maxFrameBytes: 2_000 })
  const since = log.position as TopicPosition
  const large = 'x'.repeat(3_000)
  bring(append(1), 1)
  append(large)
  bring(append(3), 3)
  await log.fetch()
  t.same(member.short, [1, 'gap 2', 3])
  const answers: unknown[] = []
  await log.resume({ member: other, over: false }, since, frame => { answers.push(frame) })
  t.same([answers, other.short], [[null], []])
  bring(append(4), 4)
  t.same([other.short, stats.gaps], [[4], 1])
})

t.test('some of the subscribers', async t => {
  stayAlive(t)
  const { log, member, host } = await started()
  const other = new FakeMember()
  log.join(other)
  log.select(host.frame('{"data":1}'), one => one === other)
  t.same([member.short, other.short], [[], [1]])
})

t.test('more than can wait is left to the store', async t => {
  stayAlive(t)
  const { log, append, bring, member } = await started()
  const count = 1_500
  const positions = Array.from({ length: count }, (_, n) => append(n + 1))
  for (let n = count; n > 1; n--) bring(positions[n - 1] as TopicPosition, n)
  await log.fetch()
  t.same(member.short, Array.from({ length: count }, (_, n) => n + 1))
  const large = await started()
  const big = 'x'.repeat(300_000)
  const at = Array.from({ length: 8 }, () => large.append(big))
  for (let n = 8; n > 1; n--) large.bring(at[n - 1] as TopicPosition, big)
  await large.log.fetch()
  t.equal(large.member.short.length, 8)
})
