import t from 'tap'
import { suite } from './suite.js'

t.test('nginx, tickets in MongoDB, messages through Redis', async t => {
  await suite(t, { proxy: 'nginx', tickets: 'mongodb', bus: 'redis' })
})
