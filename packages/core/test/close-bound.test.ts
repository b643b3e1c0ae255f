// Runs alone: it counts what waits in its process.
import t from 'tap'
import { Closer, MAX_FLUSHING_BYTES } from '../src/index.js'
import { FakeSocket as Fake, goOut as out } from './helpers.js'

t.test('there is a bound for what waits behind all closes together', async t => {
  let now = 0
  const closer = new Closer(2_000, 120_000, () => now)
  const half = MAX_FLUSHING_BYTES / 2
  const [one, two, three] = [new Fake(half), new Fake(half), new Fake(1)]
  for (const socket of [one, two, three]) closer.close(socket, 4000, '')
  now = 2_200
  closer.tick()
  t.strictSame([one, two, three].map(({ terminated }) => terminated), [0, 0, 1], 'one too many has the short time')
  out(one)
  now = 2_400
  closer.tick()
  const four = new Fake(half)
  closer.close(four, 4000, '')
  now = 4_700
  closer.tick()
  t.equal(four.terminated, 0, 'what has gone out counts no more')
  closer.hurry(100)
  now = 4_900
  closer.tick()
  t.strictSame([two, four].map(({ terminated }) => terminated), [1, 1], 'hurry leaves nobody more')
  t.equal(closer.size, 0)
  const five = new Fake(MAX_FLUSHING_BYTES)
  closer.close(five, 4000, '')
  now = 7_200
  closer.tick()
  t.equal(five.terminated, 0, 'and nothing is left of it')
  closer.hurry(0)
  now = 7_400
  closer.tick()
})
