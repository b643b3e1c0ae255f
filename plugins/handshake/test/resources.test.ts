import t from 'tap'
import { once } from 'node:events'
import { buildInside, connect, deferred, eventually, frame, refused, tcp, upgrade } from './helpers.js'

const auth = (token: string) => frame(JSON.stringify({ type: 'auth', token }))
const refresh = (token: string) => frame(JSON.stringify({ type: 'refresh', token }))

t.test('a peer that resets leaves nothing behind, in any phase', async t => {
  const hanging = async () => await new Promise<never>(() => {})
  const hang = deferred()
  const phases: Array<[string, Parameters<typeof buildInside>[1], (token: string) => Buffer[], string | Promise<void>]> = [
    ['waiting', {}, () => [], '101 Switching'],
    ['verifying', { options: { isRevoked: async () => { hang.resolve(); return await hanging() } } }, token => [auth(token), frame('early')], hang.promise],
    ['open', {}, token => [auth(token)], 'auth_ok'],
    ['the handler pending', { handler: hanging }, token => [auth(token), frame('early')], 'auth_ok'],
    ['refreshed', {}, token => [auth(token), refresh(token)], 'refresh_ok'],
    ['refused', {}, () => [frame('nonsense')], 'auth_error']
  ]
  for (const [name, setup, frames, moment] of phases) {
    await t.test(name, async t => {
      const { port, sweep, pool, sockets, token } = await buildInside(t, setup)
      const peer = tcp(t, port, upgrade(), ...frames(token))
      await (typeof moment === 'string' ? peer.until(moment) : moment)
      await eventually(() => sockets.length === 1)
      const socket = sockets[0]!
      t.equal(sweep.size, name === 'refused' ? 0 : 1)
      t.equal(pool.size, name === 'waiting' || name === 'verifying' ? 1 : 0, 'only unauthenticated clients have a place in the pool')
      const closed = once(socket, 'close')
      peer.socket.resetAndDestroy()
      await closed
      t.equal(sweep.size, 0)
      t.equal(pool.size, 0)
      t.equal(socket.listenerCount('newListener'), 0)
    })
  }
})

t.test('a mute peer is terminated soon after any refusal', async t => {
  const { port, sweep, pool, sockets } = await buildInside(t, { options: { closeTimeout: 200, authTimeout: 100 } })
  for (const frames of [[], [frame('nonsense')]]) {
    const start = performance.now()
    const peer = tcp(t, port, upgrade(), ...frames)
    await peer.until('"auth_error"')
    await once(peer.socket, 'close')
    const elapsed = performance.now() - start
    t.ok(elapsed >= 200 && elapsed < 25_000, `terminated after ${elapsed} ms`)
  }
  t.equal(sockets.length, 2)
  t.equal(sweep.size, 0)
  t.equal(pool.size, 0)
})

t.test('a peer that does not read is terminated although the close frame is stuck behind its data', async t => {
  const { port, sockets, token } = await buildInside(t, {
    options: { closeTimeout: 1_000 },
    handler: socket => { socket.send(Buffer.alloc(32 * 1024 * 1024)) }
  })
  const peer = tcp(t, port, upgrade())
  await peer.until('101 Switching')
  peer.socket.pause()
  peer.socket.write(Buffer.concat([auth(token), auth(token)]))
  const socket = sockets[0]!
  await eventually(() => socket.readyState === socket.CLOSING)
  t.ok(socket.bufferedAmount > 0, 'the close frame is stuck')
  const start = performance.now()
  await once(socket, 'close')
  t.ok(performance.now() - start < 25_000)
})

t.test('unauthenticated sockets are counted by address until they authenticate or close', async t => {
  const { port, pool, token } = await buildInside(t, { options: { pendingPerAddress: 2 } })
  const [first, second] = [connect(t, port), connect(t, port)]
  await Promise.all([first.opened(), second.opened()])
  await refused(t, connect(t, port), 4429, 'too many unauthenticated connections', true)
  t.match(await first.auth(token), { type: 'auth_ok' })
  const third = connect(t, port)
  await third.opened()
  await refused(t, connect(t, port), 4429, 'too many unauthenticated connections', true)
  second.socket.close()
  await second.closed
  t.match(await connect(t, port).auth(token), { type: 'auth_ok' })
  t.match(await third.auth(token), { type: 'auth_ok' })
  t.equal(pool.size, 0)
})

t.test('500 connections at once', async t => {
  const { port, sweep, pool, sockets, token } = await buildInside(t, { options: { pendingPerAddress: 500, authTimeout: 30_000 } })
  const clients = await Promise.all(Array.from({ length: 500 }, async (_, n) => {
    const client = connect(t, port)
    await client.opened()
    client.json({ type: 'auth', token })
    client.socket.send(`I am ${n}`)
    const answers = [(await client.next()).type, await client.next()]
    return { client, ok: answers[0] === 'auth_ok' && answers[1] === `I am ${n}` }
  }))
  t.ok(clients.every(({ ok }) => ok))
  t.equal(sockets.length, 500)
  t.equal(sweep.size, 500, 'one deadline each')
  t.equal(pool.size, 0)
  for (const { client } of clients) client.socket.terminate()
  await eventually(() => sweep.size === 0)
  t.equal(sweep.size, 0)
})

t.test('closing the server clears the deadlines', async t => {
  const { app, port, sweep } = await buildInside(t)
  const client = connect(t, port)
  await client.opened()
  await app.close()
  t.strictSame(await client.closed, [1012, 'service restart'])
  t.equal(sweep.size, 0)
})
