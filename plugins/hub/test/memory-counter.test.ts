import t from 'tap'
import { testConnectionCounter } from '../src/contract.js'
import { MemoryConnectionCounter } from '../src/index.js'

t.test('contract', async t => {
  testConnectionCounter(t, {
    create: () => {
      const counter = new MemoryConnectionCounter()
      return [counter, counter]
    }
  })
})

t.test('with a clock of the test', async t => {
  let now = 0
  const counter = new MemoryConnectionCounter(() => now)
  await counter.begin('a', null, 100)
  await counter.take('a', { subject: 'alice', id: '1' }, 1, false)
  now = 99
  t.equal(await counter.renew('a', 100), true)
  now = 198
  t.equal(await counter.renew('a', 100), true)
  now = 298
  t.equal(await counter.renew('a', 100), false)
})
