import t from 'tap'
import fc from 'fast-check'
import { MAX_JOINED_BYTES } from '../src/batch.js'
import { createFrame } from '../src/frame.js'

t.test('a single frame is not copied', async t => {
  const frame = createFrame('one')
  t.equal(frame.batch.buffers.length, 1)
  t.equal(frame.batch.buffers[0], frame.bytes)
  t.equal(frame.batch.length, frame.bytes.length)
})

t.test('frames are joined in order, once for all connections with the same frames', async t => {
  const one = createFrame('one')
  const two = createFrame('')
  const three = createFrame(Buffer.from('three'))
  const everybody = [one.batch, one.batch].map(batch => batch.append(two)).map(batch => batch.append(three))
  t.equal(everybody[0], everybody[1])
  const buffers = everybody[0]?.buffers
  t.strictSame(buffers, [Buffer.concat([one.bytes, two.bytes, three.bytes])])
  t.equal(everybody[0]?.length, buffers?.[0]?.length)
  t.equal(everybody[1]?.buffers, buffers, 'the same buffer')
})

t.test('different frames make different batches', async t => {
  const [one, two, three] = [createFrame('one'), createFrame('two'), createFrame('three')]
  const first = one.batch.append(two)
  const other = one.batch.append(three)
  t.strictSame(first.buffers, [Buffer.concat([one.bytes, two.bytes])], 'a batch never changes')
  t.strictSame(other.buffers, [Buffer.concat([one.bytes, three.bytes])])
  t.strictSame(one.batch.append(two).buffers, first.buffers)
})

t.test('all bytes stay in order, large frames are not copied, small ones are joined', async t => {
  const length = fc.oneof(fc.nat(200), fc.integer({ min: MAX_JOINED_BYTES - 200, max: MAX_JOINED_BYTES + 200 }))
  fc.assert(fc.property(fc.array(length, { minLength: 1, maxLength: 60 }), lengths => {
    const frames = lengths.map((length, index) => createFrame(Buffer.alloc(length, index + 1)))
    const [first, ...others] = frames as [typeof frames[0], ...typeof frames]
    const batch = others.reduce((batch, frame) => batch.append(frame), first.batch)
    const { buffers } = batch
    const all = Buffer.concat(frames.map(({ bytes }) => bytes))
    if (!Buffer.concat(buffers).equals(all) || batch.length !== all.length) return false
    return buffers.every((buffer, index) => {
      const next = buffers[index + 1]
      const whole = frames.some(({ bytes }) => bytes === buffer)
      return (whole || buffer.length <= MAX_JOINED_BYTES) &&
        // A new buffer begins only when its first frame does not fit into the last one.
        (next === undefined || buffer.length + next.length > MAX_JOINED_BYTES)
    })
  }))
})
