import t from 'tap'
import { dial, serve } from './server.js'

t.test('what waits in the client is not too much for a server whose handler awaits something first', async t => {
  for (const count of [16, 17, 100, 128]) {
    const got: unknown[] = []
    const server = await serve(t, {
      handler: async socket => {
        await new Promise(resolve => { setTimeout(resolve, 20) })
        socket.on('message', data => {
          got.push(JSON.parse(String(data)))
          if (got.length === count) socket.send('"all"')
        })
      }
    })
    const { connection, seen } = dial(t, server)
    const numbers = Array.from({ length: count }, (_, n) => n)
    for (const n of numbers) connection.send(n)
    await new Promise<void>(resolve => { connection.on('message', () => { resolve() }) })
    t.same(got, numbers, `${count}`)
    t.notOk(seen.some(([name]) => name === 'close'))
    connection.close()
  }
})

t.test('a burst that is more than the server allows is sent as fast as it may', async t => {
  for (const [count, hub, options] of [
    // A machine that stands still for half of `burst` / `perSecond` seconds brings too many together, so these are long.
    [300, { messageRate: { perSecond: 60, burst: 240 } }, { queue: { messages: 1_000 } }], [610, { messageRate: { perSecond: 20, burst: 600 } }, { queue: { messages: 1_000 } }]
  ] as const) {
    const got: unknown[] = []
    const server = await serve(t, {
      hub,
      handler: socket => {
        socket.on('message', data => { if (got.push(JSON.parse(String(data))) === count) socket.send('"all"') })
      }
    })
    const { connection, seen } = dial(t, server, options)
    await connection.ready()
    const numbers = Array.from({ length: count }, (_, n) => n)
    for (const n of numbers) connection.send(n)
    await new Promise<void>(resolve => { connection.on('message', () => { resolve() }) })
    t.same(got, numbers)
    t.notOk(seen.some(([name]) => name === 'close'))
    connection.close()
  }
})
