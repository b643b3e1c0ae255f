import t from 'tap'
import { createFrame } from '../src/frame.js'

t.test('a single frame is not copied', async t => {
  const frame = createFrame('one')
  t.equal(frame.batch.join(), frame.bytes)
  t.equal(frame.batch.length, frame.bytes.length)
})

t.test('frames are joined in order, once for everybody with the same ones', async t => {
  const one = createFrame('one')
  const two = createFrame('')
  const three = createFrame(Buffer.from('three'))
  const everybody = [one.batch, one.batch].map(batch => batch.append(two)).map(batch => batch.append(three))
  t.equal(everybody[0], everybody[1])
  const joined = everybody[0]?.join()
  t.strictSame(joined, Buffer.concat([one.bytes, two.bytes, three.bytes]))
  t.equal(everybody[0]?.length, joined?.length)
  t.equal(everybody[1]?.join(), joined, 'the same buffer')
})

t.test('other frames make another batch', async t => {
  const [one, two, three] = [createFrame('one'), createFrame('two'), createFrame('three')]
  const first = one.batch.append(two)
  const other = one.batch.append(three)
  t.strictSame(first.join(), Buffer.concat([one.bytes, two.bytes]), 'a batch never changes')
  t.strictSame(other.join(), Buffer.concat([one.bytes, three.bytes]))
  t.strictSame(one.batch.append(two).join(), first.join())
})
