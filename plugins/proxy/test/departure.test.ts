import { Sweep } from '@fastify-airlock/core'
import type { Socket } from 'node:net'
import t from 'tap'
import type { WebSocket } from 'ws'
import type { Deadline, ProxyContext } from '../src/context.js'
import { Departure } from '../src/departure.js'

t.test('a side that has left is cut as soon as it takes nothing for closeTimeout', async t => {
  let now = 0
  let cut = 0
  const sweep = new Sweep<Deadline>(deadline => deadline.expire(), { now: () => now })
  const transport = { bytesWritten: 0, writableLength: 0, destroyed: false }
  const context = { shared: { sweep }, closeTimeout: 2_000 } as unknown as ProxyContext
  const leave = () => new Departure({ terminate: () => { cut++ } } as unknown as WebSocket, transport as unknown as Socket, context).start()
  const pass = (time: number): void => {
    now += time
    sweep.tick()
  }
  leave()
  pass(1_900)
  t.equal(cut, 0)
  for (let look = 0; look < 10; look++) {
    transport.bytesWritten++
    pass(2_200)
    t.equal(cut, 0, 'it takes something')
  }
  pass(2_200)
  t.equal(cut, 1)
  pass(10_000)
  t.equal(sweep.size, 0)

  leave()
  transport.destroyed = true
  pass(2_200)
  t.equal(cut, 1, 'it has closed meanwhile')
  t.equal(sweep.size, 0)
})
