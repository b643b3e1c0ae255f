import t from 'tap'
import type { RawData } from 'ws'
import { EarlyFrames } from '../src/early-frames.js'

t.test('taking a frame out makes room', async t => {
  const frames = new EarlyFrames(2, 10)
  t.ok(frames.push(Buffer.alloc(6), true))
  t.notOk(frames.push(Buffer.alloc(5), true))
  t.ok(frames.push(Buffer.alloc(4), false))
  t.notOk(frames.push(Buffer.alloc(0), false))
  t.strictSame(frames.shift('nodebuffer'), { data: Buffer.alloc(6), isBinary: true })
  t.ok(frames.push(Buffer.alloc(6), true))
  t.strictSame(frames.shift('nodebuffer'), { data: Buffer.alloc(4), isBinary: false })
  t.strictSame(frames.shift('nodebuffer'), { data: Buffer.alloc(6), isBinary: true })
  t.equal(frames.shift('nodebuffer'), undefined)
})

t.test('a frame keeps none of the chunk that it came in', async t => {
  const chunk = (): Buffer => Buffer.alloc(65_536, 'a').subarray(7, 9)
  const frames = new EarlyFrames(2, 10)
  frames.add(chunk(), false)
  t.ok(frames.push([chunk(), chunk()], true))
  const text = frames.shift('nodebuffer')?.data as Buffer
  const parts = frames.shift('fragments')?.data as Buffer[]
  for (const part of [text, ...parts]) {
    t.equal(part.toString(), 'aa')
    t.ok(part.buffer.byteLength < 2_048, `${part.buffer.byteLength} bytes`)
  }
})

t.test('add() goes beyond the bounds, and isFull says so', async t => {
  const frames = new EarlyFrames(2, 10)
  frames.add(Buffer.alloc(9), true)
  t.equal(frames.isFull, false)
  frames.add(Buffer.alloc(0), true)
  t.equal(frames.isFull, true, 'by number')
  frames.add(Buffer.alloc(1), true)
  t.notOk(frames.push(Buffer.alloc(0), true))
  frames.shift('nodebuffer')
  frames.shift('nodebuffer')
  t.equal(frames.isFull, false)
  frames.add(Buffer.alloc(9), true)
  t.equal(frames.isFull, true, 'by bytes')
})

t.test('every form of a message has its size', async t => {
  const forms = [Buffer.alloc(5), new ArrayBuffer(5), [Buffer.alloc(2), Buffer.alloc(3)], new Blob(['12345'])]
  for (const data of forms) {
    t.ok(new EarlyFrames(1, 5).push(data as RawData, true))
    t.notOk(new EarlyFrames(1, 4).push(data as RawData, true))
  }
})

t.test('a binary frame takes the requested form, text stays as it is', async t => {
  const frames = new EarlyFrames(9, 99)
  const data = Buffer.alloc(4, 'data')
  const put = (data: RawData, isBinary = true) => {
    frames.push(data, isBinary)
    return frames
  }
  t.equal(put(data).shift('nodebuffer')?.data, data)
  t.strictSame(put(data).shift('fragments')?.data, [data])
  const buffer = put(data).shift('arraybuffer')?.data
  t.ok(buffer instanceof ArrayBuffer)
  t.equal(Buffer.from(buffer as ArrayBuffer).toString(), 'data')
  t.equal(put(data, false).shift('arraybuffer')?.data, data)
  const formed = [data]
  t.strictSame(put(formed).shift('arraybuffer')?.data, formed, 'a message that has another form already stays as it is')
})
