import t from 'tap'
import { suite, SUITE_TIMEOUT } from './suite.js'

t.setTimeout(SUITE_TIMEOUT)

t.test('nginx, tickets in MongoDB, messages through Redis', async t => {
  await suite(t, { proxy: 'nginx', tickets: 'mongodb', bus: 'redis' })
})
