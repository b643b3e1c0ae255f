import t from 'tap'
import { randomBytes } from 'node:crypto'
import type { WsHandshakeOptions } from '../src/index.js'
import { build, refused } from './helpers.js'

t.test('the application\'s messages pass untouched, text and binary', async t => {
  const { connect, sign } = await build(t)
  const client = connect()
  const token = sign()
  await client.auth(token)
  const messages: Array<[string | Buffer, boolean]> = [
    ['', false],
    ['text', false],
    [randomBytes(60_000), true],
    [JSON.stringify({ type: 'auth', token }), true],
    ['{"type":"auth"}', false],
    ['{"type":"auth","token":1}', false],
    ['{"type":"refresh","token":""}', false],
    ['{"type":"chat","token":"mine"}', false],
    ['"token"', false],
    [JSON.stringify({ type: 'refresh', token }).padEnd(8193), false]
  ]
  for (const [data, isBinary] of messages) {
    client.socket.send(data, { binary: isBinary })
    t.strictSame(await client.raw(), [Buffer.from(data as string), isBinary])
  }
})

t.test('a second auth closes with 4429', async t => {
  for (const type of ['auth', 'jwt']) {
    const { connect, sign } = await build(t, { handler: socket => { socket.on('message', () => { t.fail('a message') }) } })
    const client = connect()
    await client.auth(sign())
    client.json({ type, token: sign() })
    await refused(t, client, 4429, 'already authenticated', true)
  }
})

t.test('other events keep all of their arguments', async t => {
  const seen: unknown[] = []
  const { connect, sign } = await build(t, {
    handler: socket => {
      socket.on('ping', (...args) => { seen.push(args) })
      socket.on('app' as 'ping', (...args: unknown[]) => { seen.push(args) })
      socket.on('close', (...args) => { seen.push(args) })
      t.equal(socket.emit('app', 1, 2, 3, 4), true)
      t.equal(socket.emit('nobody'), false)
    }
  })
  const client = connect()
  await client.auth(sign())
  client.socket.ping('p')
  client.socket.close(4001, 'bye')
  await client.closed
  t.strictSame(seen, [[1, 2, 3, 4], [Buffer.from('p')], [4001, Buffer.from('bye')]])
})

t.test('authorizeMessage sees every message with the identity, and lets it pass', async t => {
  const asked: unknown[] = []
  const { connect, sign } = await build(t, {
    options: {
      isRevoked: async () => false,
      authorizeMessage: (identity, data, isBinary, request) => {
        asked.push([identity.claims.role, String(data), isBinary, request.url])
        return true
      }
    }
  })
  const client = connect()
  await client.opened()
  client.json({ type: 'auth', token: sign({ role: 'user' }) })
  client.socket.send('early')
  await client.next()
  t.equal(await client.next(), 'early')
  client.socket.send(Buffer.from('late'))
  t.equal(await client.next(), 'late')
  t.strictSame(asked, [['user', 'early', false, '/ws'], ['user', 'late', true, '/ws']])
})

t.test('authorizeMessage that does not say yes refuses the client', async t => {
  type Hook = NonNullable<WsHandshakeOptions['authorizeMessage']>
  const cases: Array<[string, Hook, number, string]> = [
    ['no', () => false, 4403, 'not authorized'],
    ['nothing', () => undefined as unknown as boolean, 4403, 'not authorized'],
    ['a promise', (async () => true) as unknown as Hook, 4403, 'not authorized'],
    ['an error', () => { throw new Error('broken hook') }, 4500, 'internal error']
  ]
  for (const [name, authorizeMessage, code, reason] of cases) {
    await t.test(name, async t => {
      const { connect, sign, lines } = await build(t, {
        options: { authorizeMessage },
        handler: socket => { socket.on('message', () => { t.fail('a message') }) }
      })
      const client = connect()
      await client.auth(sign())
      client.socket.send('one')
      client.socket.send('two')
      await refused(t, client, code, reason, code === 4500)
      t.equal(lines.some(line => line.includes('broken hook')), code === 4500)
    })
  }
})
