import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { requireServer, startNats } from '../src/index.js'

t.test('a NATS of one\'s own', async t => {
  const nats = requireServer(t, await startNats())
  if (nats === null) return
  t.teardown(() => nats.stop())
  const socket = connect(Number(new URL(nats.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  t.match(String((await once(socket, 'data'))[0]), /^INFO /)
  t.match(await startNats('--no-such-option'), { skip: /^no nats: ended early/ })
})
