import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { Ticker } from '../src/ticker.js'

class Socket extends EventEmitter {
  readonly sent: string[] = []

  send (data: string) {
    this.sent.push(data)
    this.emit('sent')
  }
}

t.test('each socket has its own count, until it closes', async t => {
  const ticker = new Ticker(10)
  const [early, late] = [new Socket(), new Socket()]
  ticker.add(early)
  while (early.sent.length < 2) await once(early, 'sent')
  ticker.add(late)
  while (late.sent.length < 2) await once(late, 'sent')
  t.strictSame(early.sent.slice(0, 3), ['{"type":"tick","n":1}', '{"type":"tick","n":2}', '{"type":"tick","n":3}'])
  t.strictSame(late.sent, ['{"type":"tick","n":1}', '{"type":"tick","n":2}'])

  early.emit('close')
  const count = early.sent.length
  await once(late, 'sent')
  t.equal(early.sent.length, count)
  t.equal(ticker.size, 1)
  late.emit('close')
  t.equal(ticker.size, 0)
})

t.test('starts again after everybody has left', async t => {
  const ticker = new Ticker(5)
  for (let round = 0; round < 2; round++) {
    const socket = new Socket()
    ticker.add(socket)
    await once(socket, 'sent')
    t.strictSame(socket.sent, ['{"type":"tick","n":1}'])
    socket.emit('close')
  }
})
