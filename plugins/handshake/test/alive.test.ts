import { once } from 'node:events'
import t from 'tap'
import { build } from './helpers.js'

const ALIVE = '{"type":"alive"}'

t.test('a client that asks is told the interval, and gets signs of life in silence', async t => {
  const { connect, sign } = await build(t, { options: { alive: 80 } })
  const client = connect()
  await client.opened()
  client.json({ type: 'auth', token: sign(), alive: true })
  const { alive } = await client.next()
  t.equal(alive, 80)
  for (let n = 0; n < 3; n++) t.equal(String((await client.raw())[0]), ALIVE)
  client.socket.send('hello')
  while (String((await client.raw())[0]) !== 'hello');
  t.equal(String((await client.raw())[0]), ALIVE)
})

t.test('nobody else notices anything', async t => {
  for (const [asked, option] of [[undefined, 20], [false, 20], ['true', 20], [1, 20], [true, false]] as const) {
    const { connect, sign } = await build(t, { options: { alive: option } })
    const client = connect()
    await client.opened()
    client.json({ type: 'auth', token: sign(), ...(asked !== undefined && { alive: asked }) })
    t.notOk('alive' in await client.next())
    await new Promise(resolve => setTimeout(resolve, 150))
    client.socket.send('hello')
    t.equal(await client.next(), 'hello', 'the first message since')
  }
})

t.test('25 s by default', async t => {
  const { connect, sign } = await build(t)
  const client = connect()
  await client.opened()
  client.json({ type: 'auth', token: sign(), alive: true })
  t.equal((await client.next()).alive, 25_000)
  client.socket.close()
  await once(client.socket, 'close')
})
