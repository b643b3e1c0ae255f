import type { PublicationId, TopicPosition, TopicRead, TopicStore } from './store.js'

/** The part of tap's `t` that {@link testTopicStore} needs. */
export interface TopicContractTest {
  test (name: string, run: (t: TopicContractTest) => Promise<void>): unknown
  equal (found: unknown, wanted: unknown, message: string): unknown
  not (found: unknown, wanted: unknown, message: string): unknown
  same (found: unknown, wanted: unknown, message: string): unknown
  ok (found: unknown, message: string): unknown
  teardown (undo: () => unknown): unknown
}

/** Describes the store under test. */
export interface TopicContractSettings {
  /** Makes an open, empty store. The suite closes it. */
  create: () => Promise<TopicStore> | TopicStore
  /**
   * Makes another store on the same data, as another node has one. Without it, the store is for one node.
   */
  another?: (store: TopicStore) => Promise<TopicStore> | TopicStore
  /** Waits for so many milliseconds, by the clock that the store goes by. */
  wait: (milliseconds: number) => Promise<void>
}

const KEEP = { size: 100, ttl: 600_000 }

/** Shorter than anything that a slow machine takes between two steps must not be. */
const SHORT = 50

/** Text that databases cut, fold, escape or refuse. */
const TEXTS = [
  'alice', 'Alice', 'alice ', 'alice\0', '\0', '\u0001', '\u0001"\\ud800"', '\ud800', '\ud83d', '\ude00', '\ud83d\ude00', '\ufffd', '\u00e4', 'a\u0308',
  'a b\r\n$1\r\n', '*%_.[', '\'"`]}\\', '{x}', '}{', '{}', ':', 'a:b', '__proto__', 'a/+/#', ' ', 'x'.repeat(256)
]

function idOf (key: string, digest = 'd', window = 600_000): PublicationId {
  return { key, digest, window }
}

function dataOf ({ messages }: TopicRead): unknown[] {
  return messages.map(({ data }) => JSON.parse(data))
}

/**
 * Tests what every store of topics must do.
 *
 * @example
 * import t from 'tap'
 * import { testTopicStore } from '@fastify-airlock/topics/contract'
 *
 * testTopicStore(t, { create: () => new MyStore(), wait: milliseconds => setTimeout(milliseconds) })
 */
export function testTopicStore (t: TopicContractTest, { create, another, wait }: TopicContractSettings): void {
  const open = async (t: TopicContractTest): Promise<TopicStore> => {
    const store = await create()
    t.teardown(() => store.close())
    return store
  }

  t.test('a publication may be kept for years', async t => {
    const store = await open(t)
    const { position } = await store.append('news', '1', { size: 10, ttl: 10 * 365 * 86_400_000 })
    t.same(dataOf(await store.read('news', { ...position, offset: 0 }, 10)), [1], 'it is there')
    await store.open('news', 10 * 365 * 86_400_000)
    t.same(await store.heads(['news']), [position], 'and so is its position')
  })

  t.test('publications are counted from 1, and come back in order', async t => {
    const store = await open(t)
    const positions: TopicPosition[] = []
    for (const n of [1, 2, 3]) {
      const { position, claimed } = await store.append('news', JSON.stringify({ n }), KEEP)
      t.equal(claimed, 'new', 'appended')
      positions.push(position)
    }
    t.same(positions.map(({ offset }) => offset), [1, 2, 3], 'each has one more')
    t.equal(new Set(positions.map(({ epoch }) => epoch)).size, 1, 'in one epoch')
    const { epoch } = positions[0] as TopicPosition
    t.ok(epoch !== '' && epoch.length <= 64, 'an epoch has 1 to 64 characters')
    const read = await store.read('news', { epoch, offset: 1 }, 10)
    t.same(read, { position: { epoch, offset: 3 }, messages: [{ offset: 2, data: '{"n":2}' }, { offset: 3, data: '{"n":3}' }], complete: true }, 'after 1')
    t.same(await store.read('news', { epoch, offset: 0 }, 2), { position: { epoch, offset: 3 }, messages: [{ offset: 1, data: '{"n":1}' }, { offset: 2, data: '{"n":2}' }], complete: true }, 'the oldest, up to the limit')
    t.same(await store.read('news', { epoch, offset: 3 }, 10), { position: { epoch, offset: 3 }, messages: [], complete: true }, 'nothing is missing at the end')
    t.same(await store.read('news', null, 10), { position: { epoch, offset: 3 }, messages: [], complete: true }, 'the position alone')
  })

  t.test('a topic of which nothing is known', async t => {
    const store = await open(t)
    t.equal((await store.read('news', null, 10)).position, null, 'no position')
    const read = await store.read('news', { epoch: 'e', offset: 3 }, 10)
    t.same([read.position, read.messages, read.complete], [null, [], false], 'something may be missing')
    t.same(await store.heads(['news', 'other']), [null, null], 'no heads')
  })

  t.test('a log begins where it is opened', async t => {
    const store = await open(t)
    const position = await store.open('news', KEEP.ttl)
    t.equal(position.offset, 0, 'before the first')
    t.same(await store.open('news', KEEP.ttl), position, 'the same each time')
    t.same(await store.heads(['news']), [position], 'it is known')
    t.same(await store.read('news', position, 10), { position, messages: [], complete: true }, 'nothing is missing')
    await store.append('news', '1', KEEP)
    t.same(await store.read('news', position, 10), { position: { ...position, offset: 1 }, messages: [{ offset: 1, data: '1' }], complete: true }, 'nothing is lost from there')
    t.same(await store.open('news', KEEP.ttl), { ...position, offset: 1 }, 'the present position')
  })

  t.test('what is kept for years', async t => {
    const store = await open(t)
    for (const ttl of [2 ** 31, 2 ** 40, 2 ** 50]) {
      const position = await store.open(`news/${ttl}`, ttl)
      await store.append(`news/${ttl}`, '1', { size: 10, ttl })
      await store.append(`news/${ttl}`, '2', { size: 10, ttl, id: idOf('one') })
      t.same(dataOf(await store.read(`news/${ttl}`, position, 10)), [1, 2], `${ttl} milliseconds`)
    }
  })

  t.test('opened by many at once, it begins once', async t => {
    const store = await open(t)
    const positions = await Promise.all(Array.from({ length: 20 }, async () => store.open('news', KEEP.ttl)))
    t.equal(new Set(positions.map(({ epoch }) => epoch)).size, 1, 'one epoch')
  })

  t.test('the newest are kept, up to the size', async t => {
    const store = await open(t)
    const { epoch } = await store.open('news', KEEP.ttl)
    for (let n = 1; n <= 10; n++) await store.append('news', `${n}`, { ...KEEP, size: 3 })
    const behind = await store.read('news', { epoch, offset: 4 }, 10)
    t.equal(behind.complete, false, 'something is missing')
    t.same(dataOf(behind), [8, 9, 10], 'what is there')
    const there = await store.read('news', { epoch, offset: 7 }, 10)
    t.equal(there.complete, true, 'nothing is missing')
    t.same(dataOf(there), [8, 9, 10], 'all of it')
    await store.append('news', '11', { ...KEEP, size: 1 })
    t.same(dataOf(await store.read('news', { epoch, offset: 0 }, 10)), [11], 'a smaller size counts at once')
  })

  t.test('none is returned beyond its time', async t => {
    const store = await open(t)
    const { epoch } = await store.open('news', KEEP.ttl)
    await store.append('news', '1', { size: 10, ttl: SHORT })
    await wait(SHORT + 20)
    const over = await store.read('news', { epoch, offset: 0 }, 10)
    t.same([over.position, over.messages, over.complete], [{ epoch, offset: 1 }, [], false], 'it is over, and was there')
    t.same((await store.read('news', { epoch, offset: 1 }, 10)).complete, true, 'who has had it misses nothing')
    await store.append('news', '2', KEEP)
    t.same(dataOf(await store.read('news', { epoch, offset: 1 }, 10)), [2], 'the next one follows')
    t.equal((await store.read('news', { epoch, offset: 0 }, 10)).complete, false, 'the gap is seen')
    t.same(await store.heads(['news']), [{ epoch, offset: 2 }], 'in the same epoch')
  })

  t.test('what is over in the midst of others is a gap', async t => {
    const store = await open(t)
    const { epoch } = await store.open('news', KEEP.ttl)
    await store.append('news', '1', KEEP)
    await store.append('news', '2', { ...KEEP, ttl: SHORT })
    await store.append('news', '3', KEEP)
    await wait(SHORT + 20)
    const read = await store.read('news', { epoch, offset: 0 }, 10)
    t.equal(read.complete && dataOf(read).length !== 1, false, 'it is not passed over')
    t.same(dataOf(await store.read('news', { epoch, offset: 2 }, 10)), [3], 'what is after it is there')
    t.equal((await store.read('news', { epoch, offset: 1 }, 10)).complete, false, 'from before it')
  })

  t.test('a position of another epoch, or beyond the end, misses something', async t => {
    const store = await open(t)
    const { position } = await store.append('news', '1', KEEP)
    // A client may send any text.
    const others = TEXTS.map(text => ({ epoch: text.slice(0, 64), offset: 1 }))
    for (const since of [...others, { epoch: 'another', offset: 0 }, { epoch: 'another', offset: 2 ** 53 - 1 }, { ...position, offset: 2 }, { ...position, offset: 2 ** 53 - 1 }]) {
      const read = await store.read('news', since, 10)
      t.equal(read.complete, false, `${since.epoch === position.epoch ? 'beyond' : JSON.stringify(since.epoch)} ${since.offset}`)
      t.same(read.position, position, 'with the position')
    }
  })

  t.test('a publication that is sent again is taken once', async t => {
    const store = await open(t)
    const first = await store.append('news', '1', { ...KEEP, id: idOf('one') })
    const again = await store.append('news', '1', { ...KEEP, id: idOf('one') })
    t.same([first.claimed, again.claimed], ['new', 'repeated'], 'it is known')
    t.same(again.position, first.position, 'with the same position')
    const other = await store.append('news', '2', { ...KEEP, id: idOf('one', 'e') })
    t.equal(other.claimed, 'conflict', 'another one with the same key')
    t.equal((await store.append('other', '1', { ...KEEP, id: idOf('one') })).claimed, 'new', 'the same key in another topic')
    t.equal((await store.append('news', '1', { ...KEEP, id: idOf('two') })).claimed, 'new', 'another key')
    t.same(dataOf(await store.read('news', { ...first.position, offset: 0 }, 10)), [1, 1], 'nothing else was appended')
  })

  t.test('an id is remembered for its window', async t => {
    const store = await open(t)
    await store.append('news', '1', { ...KEEP, id: idOf('one', 'd', SHORT) })
    t.equal(await store.claim('news', idOf('two', 'd', SHORT)), 'new', 'claimed')
    await wait(SHORT + 20)
    t.equal((await store.append('news', '2', { ...KEEP, id: idOf('one', 'e') })).claimed, 'new', 'it is over')
    t.equal(await store.claim('news', idOf('two', 'e')), 'new', 'claimed anew')
    t.equal(await store.claim('news', idOf('two', 'e')), 'repeated', 'until then')
  })

  t.test('an id can be claimed without a publication', async t => {
    const store = await open(t)
    t.equal(await store.claim('plain', idOf('one')), 'new', 'first')
    t.equal(await store.claim('plain', idOf('one')), 'repeated', 'again')
    t.equal(await store.claim('plain', idOf('one', 'e')), 'conflict', 'another')
    t.equal(await store.claim('other', idOf('one')), 'new', 'of another topic')
    t.same(await store.heads(['plain']), [null], 'no log has begun')
    const appended = await store.append('plain', '1', { ...KEEP, id: idOf('one') })
    t.same([appended.claimed, appended.position.offset], ['repeated', 0], 'it is known, and stands nowhere')
    t.equal((await store.append('plain', '1', { ...KEEP, id: idOf('one', 'e') })).claimed, 'conflict', 'another with a history')
    await store.append('plain', '1', { ...KEEP, id: idOf('two') })
    t.equal(await store.claim('plain', idOf('two')), 'repeated', 'one that was appended')
  })

  t.test('of 50 that append the same at once, one is the first', async t => {
    const store = await open(t)
    const all = await Promise.all(Array.from({ length: 50 }, async () => store.append('news', '1', { ...KEEP, id: idOf('one') })))
    t.equal(all.filter(({ claimed }) => claimed === 'new').length, 1, 'one')
    t.equal(new Set(all.map(({ position }) => position.offset)).size, 1, 'and all know where it stands')
  })

  t.test('of 50 that append at once, each has its own place', async t => {
    const store = await open(t)
    const all = await Promise.all(Array.from({ length: 50 }, async (_, n) => store.append('news', `${n}`, KEEP)))
    t.same(all.map(({ position }) => position.offset).sort((a, b) => a - b), Array.from({ length: 50 }, (_, n) => n + 1), 'without a gap')
    const { epoch } = (all[0] as (typeof all)[0]).position
    const read = await store.read('news', { epoch, offset: 0 }, 100)
    t.same(dataOf(read), all.sort((a, b) => a.position.offset - b.position.offset).map((_, at) => dataOf(read)[at]), 'all are there')
    t.equal(new Set(dataOf(read)).size, 50, 'each once')
  })

  t.test('topics and data of any characters are taken for no other', async t => {
    const store = await open(t)
    for (const text of TEXTS) await store.append(text, JSON.stringify(text), { ...KEEP, id: idOf('one') })
    const heads = await store.heads(TEXTS)
    for (const [index, text] of TEXTS.entries()) {
      const head = heads[index] as TopicPosition | null
      t.equal(head?.offset, 1, `${JSON.stringify(text.slice(0, 20))}: one publication`)
      t.same(dataOf(await store.read(text, { epoch: head?.epoch as string, offset: 0 }, 10)), [text], 'as it was')
    }
  })

  t.test('many heads at once', async t => {
    const store = await open(t)
    const topics = Array.from({ length: 500 }, (_, n) => `topic/${n}`)
    const { position } = await store.append('topic/7', '1', KEEP)
    const heads = await store.heads(topics)
    t.same([heads.length, heads[7], heads[8]], [500, position, null], 'in their order')
    t.same(await store.heads([]), [], 'none')
  })

  if (another !== undefined) {
    t.test('two nodes see one log', async t => {
      const one = await open(t)
      const two = await another(one)
      t.teardown(() => two.close())
      const { position } = await one.append('news', '1', { ...KEEP, id: idOf('one') })
      t.same(await two.append('news', '1', { ...KEEP, id: idOf('one') }), { position, claimed: 'repeated' }, 'what one has taken, the other knows')
      t.same((await two.append('news', '2', KEEP)).position, { ...position, offset: 2 }, 'they count together')
      t.same(dataOf(await one.read('news', { ...position, offset: 0 }, 10)), [1, 2], 'and read together')
      const all = await Promise.all(Array.from({ length: 40 }, async (_, n) => (n % 2 === 0 ? one : two).append('busy', `${n}`, { ...KEEP, id: idOf(`${n >> 1}`) })))
      t.equal(all.filter(({ claimed }) => claimed === 'new').length, 20, 'at the same time: each once')
      t.same(await two.heads(['busy']), [{ epoch: all[0]?.position.epoch, offset: 20 }], 'without a gap')
    })
  }

  t.test('a closed store refuses everything, and may be closed again', async t => {
    const store = await open(t)
    await store.append('news', '1', KEEP)
    await store.close()
    const calls: Record<string, () => unknown> = {
      append: () => store.append('news', '1', KEEP),
      claim: () => store.claim('news', idOf('one')),
      open: () => store.open('news', 1_000),
      read: () => store.read('news', null, 1),
      heads: () => store.heads(['news'])
    }
    for (const [name, call] of Object.entries(calls)) t.equal(await codeOf(call), 'WSA_TOPICS_ERR_STORE_CLOSED', name)
    await store.close()
  })
}

async function codeOf (call: () => unknown): Promise<unknown> {
  try {
    await call()
    return 'no error'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}
