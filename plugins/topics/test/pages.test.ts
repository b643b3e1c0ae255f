import t from 'tap'
import { Pages } from '../src/pages.js'
import { Pending } from '../src/pending.js'

const since = { epoch: 'e', offset: 0 }
const frame = (text: string) => ({ text, bytes: Buffer.from(text) })
const read = (pages: Pages, index: number, isAnswer: boolean) => JSON.parse((pages.at(index, isAnswer) as unknown as { text: string }).text)

t.test('what is large is split, and each is framed once', async t => {
  const data = JSON.stringify('x'.repeat(40_000))
  const messages = [1, 2, 3].map(offset => ({ offset, data }))
  const pages = new Pages('news', since, { position: { epoch: 'e', offset: 4 }, messages, complete: true }, frame, 1024 * 1024)
  t.same([pages.count(true), pages.count(false), pages.more, pages.end], [3, 3, true, { epoch: 'e', offset: 3 }])
  t.match(read(pages, 0, true), { type: 'topic:subscribed', position: { offset: 1 }, more: true })
  t.match(read(pages, 2, false), { type: 'topic:messages', messages: [{ position: { offset: 3 } }], more: true })
  t.equal(pages.at(1, false), pages.at(1, false))
  const last = new Pages('news', since, { position: { epoch: 'e', offset: 3 }, messages, complete: true }, frame, 1024 * 1024)
  t.match(read(last, 1, false), { more: true })
  t.equal(read(last, 2, false).more, undefined)
  t.equal(new Pages('news', since, { position: { epoch: 'e', offset: 3 }, messages, complete: true }, frame, 1_000_000_000).count(true), 3, 'never more than 64 KiB, or one')
  const none = new Pages('news', since, { position: null, messages: [], complete: false }, frame, 1_000)
  t.same([none.count(true), none.count(false)], [1, 0])
})

t.test('messages that came too early', async t => {
  const pending = new Pending()
  const [one, two] = ['1', '2'].map(frame) as [ReturnType<typeof frame>, ReturnType<typeof frame>]
  pending.add({ epoch: 'e', offset: 5 }, one)
  pending.add({ epoch: 'e', offset: 3 }, two)
  pending.add({ epoch: 'e', offset: 3 }, one)
  t.equal(pending.take('f', 3), undefined)
  t.equal(pending.take('e', 4), undefined)
  t.equal(pending.firstAfter('e', 2), 3)
  t.equal(pending.firstAfter('f', 9), 3, 'offsets of epochs are not compared')
  t.equal(pending.firstAfter('e', 3), 5, 'and those before are dropped')
  t.equal(pending.size, 1)
  t.equal(pending.take('e', 5), one)
  t.equal(pending.firstAfter('e', 3), undefined)
  pending.add({ epoch: 'e', offset: 7 }, one)
  pending.add({ epoch: 'f', offset: 1 }, two)
  t.same([pending.epoch, pending.size], ['f', 1])
})
