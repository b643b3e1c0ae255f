import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { Network } from '../src/kiosk/network.js'

class FakeSocket extends EventEmitter {
  cuts = 0

  addEventListener (event: 'close', listener: () => void): void {
    this.on(event, listener)
  }

  cut (): void {
    this.cuts++
    this.emit('close')
  }
}

t.test('a network that is cut ends its sockets, and lets nothing through until it is mended', async t => {
  const network = new Network()
  const [first, second, gone] = [new FakeSocket(), new FakeSocket(), new FakeSocket()]
  for (const socket of [first, second, gone]) network.add(socket)
  gone.emit('close')
  network.check()
  network.cut()
  t.equal(network.isCut.get(), true)
  t.same([first.cuts, second.cuts, gone.cuts], [1, 1, 0], 'those that were open')
  t.throws(() => network.check(), TypeError, 'as fetch')
  network.cut()
  t.same([first.cuts, second.cuts], [1, 1], 'once')

  const late = new FakeSocket()
  network.add(late)
  t.equal(late.cuts, 0, 'its owner has no listener yet')
  await once(late, 'close')
  t.equal(late.cuts, 1, 'one that was about to be opened')

  network.mend()
  network.check()
  t.equal(network.isCut.get(), false)
  const next = new FakeSocket()
  network.add(next)
  await Promise.resolve()
  t.equal(next.cuts, 0)
})
