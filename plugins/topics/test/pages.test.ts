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

t.test('no page is larger than a connection can take, whatever stands beside the data', async t => {
  for (const epoch of ['e', 'x'.repeat(64), '\u0001'.repeat(64), '\ud83d\ude00'.repeat(32)]) {
    for (const topic of ['a', '\0'.repeat(256), 'x'.repeat(256)]) {
      for (const maxBytes of [8_192, 16_384, 65_536, 1_048_576]) {
        for (const size of [1, 100, maxBytes / 8, maxBytes - 1_024 - JSON.stringify(topic).length]) {
          const data = JSON.stringify('x'.repeat(Math.max(size - 2, 0)))
          const messages = Array.from({ length: size > 10_000 ? 2 : 20 }, (_, n) => ({ offset: 2 ** 53 - 21 + n, data }))
          const at = { epoch, offset: 2 ** 53 - 22 }
          const pages = new Pages(topic, at, { position: { epoch, offset: 2 ** 53 - 1 }, messages, complete: true }, frame, maxBytes)
          const sizes = [true, false].flatMap(isAnswer => Array.from({ length: pages.count(isAnswer) }, (_, index) => pages.at(index, isAnswer).bytes.length))
          if (!pages.complete || Math.max(...sizes) > maxBytes) t.fail(`${JSON.stringify(epoch)} ${JSON.stringify(topic)} ${maxBytes} ${size}: ${Math.max(...sizes)}`)
        }
      }
    }
  }
  const messages = [{ offset: 1, data: '1' }, { offset: 2, data: JSON.stringify('x'.repeat(2_000)) }]
  const pages = new Pages('news', since, { position: { epoch: 'e', offset: 2 }, messages, complete: true }, frame, 2_000)
  t.same([pages.complete, pages.more], [false, false], 'what cannot be sent is missing')
})
