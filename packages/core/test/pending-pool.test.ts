import t from 'tap'
import { PendingPool } from '../src/index.js'

interface Holder { address: string | null }

/** A pool of three for each address, and whose addresses it asked for. */
function build () {
  const asked: Holder[] = []
  const pool = new PendingPool<Holder>(3, holder => {
    asked.push(holder)
    return holder.address
  })
  const acquire = (address: string | null, times = 1): Holder[] => Array.from({ length: times }, () => {
    const holder = { address }
    return pool.acquire(holder) ? holder : null
  }).filter(holder => holder !== null)
  return { pool, asked, acquire }
}

t.test('no address is asked for while all together hold less than the limit', async t => {
  const { pool, asked, acquire } = build()
  for (let times = 0; times < 5; times++) {
    const holders = acquire('a', 3)
    t.equal(pool.size, 3)
    for (const holder of holders) pool.release(holder)
  }
  t.equal(pool.size, 0)
  t.same(asked, [])
})

t.test('beyond that each address is held to its limit', async t => {
  const { pool, asked, acquire } = build()
  const first = acquire('a', 3)
  t.equal(acquire('a').length, 0, 'full')
  t.equal(asked.length, 4, 'everybody is asked once')
  t.equal(acquire('b', 5).length, 3, 'another address has its own')
  t.equal(acquire('a').length, 0)
  pool.release(first[0] as Holder)
  t.equal(acquire('a', 2).length, 1, 'a place came free')
  t.equal(pool.size, 6)
  t.equal(new Set(asked).size, asked.length, 'nobody is asked twice')
})

t.test('holders from before and after are counted together', async t => {
  const { pool, acquire } = build()
  const a = acquire('a', 2)
  const b = acquire('b', 3)
  t.equal(pool.size, 5)
  for (const holder of b) pool.release(holder)
  t.equal(pool.size, 2)
  t.equal(acquire('a').length, 1, 'below the limit again, unasked')
  t.equal(acquire('a').length, 0, 'and counted with those of before')
  t.equal(acquire('b', 4).length, 3)
  for (const holder of a) pool.release(holder)
  t.equal(acquire('a', 3).length, 2)
})

t.test('a holder without an address is not counted', async t => {
  const { pool, acquire } = build()
  t.equal(acquire(null, 10).length, 10)
  t.equal(acquire('a', 4).length, 3)
  t.equal(pool.size, 13)
})

t.test('release gives a place back once', async t => {
  const { pool, acquire } = build()
  const [holder] = acquire('a')
  const stranger = { address: 'a' }
  pool.release(stranger)
  pool.release(holder as Holder)
  pool.release(holder as Holder)
  t.equal(pool.size, 0)
  t.equal(acquire('a', 4).length, 3)
})
