import t from 'tap'
import { once } from 'node:events'
import { Closer } from '../src/index.js'
import { connect, listen, mute } from './helpers.js'

t.test('a peer that answers gets code and reason, cut to 123 bytes', async t => {
  const { port, connections } = await listen(t)
  const client = connect(t, port)
  const server = await connections.next()
  new Closer().close(server, 4403, 'é'.repeat(100))
  const [code, reason] = await once(client, 'close')
  t.equal(code, 4403)
  t.equal(reason.toString(), 'é'.repeat(61))
})

t.test('a mute peer is terminated', async t => {
  const { port, connections } = await listen(t)
  const client = mute(t, port)
  const server = await connections.next()
  const start = performance.now()
  new Closer(100).close(server, 4401, 'gone')
  await once(server, 'close')
  const elapsed = performance.now() - start
  t.ok(elapsed >= 100 && elapsed < 25_000, `terminated after ${elapsed} ms`)
  t.ok(client.bytesRead > 0, 'the close frame was sent before')
})
