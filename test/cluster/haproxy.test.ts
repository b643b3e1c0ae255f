import t from 'tap'
import { suite, SUITE_TIMEOUT } from './suite.js'

t.setTimeout(SUITE_TIMEOUT)

t.test('HAProxy, tickets in Redis, messages through MongoDB', async t => {
  await suite(t, { proxy: 'haproxy', tickets: 'redis', bus: 'mongodb' })
})
