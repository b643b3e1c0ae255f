import t from 'tap'
import { dial, serve } from './server.js'

t.test('what is sent during ten outages arrives once and in order, and what a socket had taken is told', async t => {
  const [outages, each] = [10, 1_000]
  const got: number[] = []
  let arrived = (): void => {}
  const server = await serve(t, {
    hub: { messageRate: false },
    handler: socket => {
      socket.on('message', data => {
        got.push(Number(String(data).slice(1, 7)))
        if (got.length % each === 0) arrived()
      })
    }
  })
  const { connection } = dial(t, server, { queue: { messages: outages * each, bytes: outages * each * 1_026 } })
  const uncertain: number[] = []
  connection.on('uncertain', ({ count }) => { uncertain.push(count) })
  await connection.ready()
  let n = 0
  for (let outage = 0; outage < outages; outage++) {
    const all = new Promise<void>(resolve => { arrived = resolve })
    const broken = new Promise(resolve => { connection.on('waiting', resolve) })
    for (const socket of server.app.websocketServer.clients) socket.terminate()
    await broken
    while (n < (outage + 1) * each) t.equal(connection.send(`${n++}`.padStart(6, '0').padEnd(1_024)), false)
    await all
  }
  t.strictSame(got, Array.from({ length: outages * each }, (_, n) => n))
  t.strictSame(uncertain, Array.from({ length: outages - 1 }, () => each), 'the first socket had taken none')
  connection.close()
  t.equal(uncertain.length, outages - 1, 'close() was asked for')
})

t.test('a queue of 10,000 messages of 1 KiB waits through ten outages', async t => {
  const got: number[] = []
  let arrived = (): void => {}
  const server = await serve(t, {
    hub: { messageRate: false },
    handler: socket => { socket.on('message', data => { if (got.push(Number(String(data).slice(1, 7))) === 10_000) arrived() }) }
  })
  const { connection } = dial(t, server, { queue: { messages: 10_000, bytes: 11_000_000 } })
  const all = new Promise<void>(resolve => { arrived = resolve })
  let ended = 0
  const ten = new Promise<void>(resolve => {
    connection.on('status', status => {
      if (status === 'authenticating' && ended < 10) for (const socket of server.app.websocketServer.clients) socket.terminate()
      if (status === 'waiting' && ++ended === 10) resolve()
    })
  })
  for (let n = 0; n < 10_000; n++) connection.send(`${n}`.padStart(6, '0').padEnd(1_024))
  await ten
  await all
  t.strictSame(got, Array.from({ length: 10_000 }, (_, n) => n))
})
