import t from 'tap'
import { suite } from './suite.js'

t.test('HAProxy, tickets in Redis, messages through MongoDB', async t => {
  await suite(t, { proxy: 'haproxy', tickets: 'redis', bus: 'mongodb' })
})
