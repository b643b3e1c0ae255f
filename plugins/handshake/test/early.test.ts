import t from 'tap'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { build, type Client, deferred, echo, frame, refused, tcp, upgrade } from './helpers.js'

t.test('frames in one chunk with the upgrade and the auth are neither lost nor early', async t => {
  const { port, sign } = await build(t)
  const peer = tcp(t, port, upgrade(), frame(JSON.stringify({ type: 'auth', token: sign() })), frame('one'), frame('two'), frame('three'))
  const answer = await peer.until('three')
  t.match(answer, /auth_ok.*one.*two.*three/s)
})

t.test('frames that arrive while a hook is pending wait, and come in order and byte for byte', async t => {
  const asked = deferred()
  const answer = deferred<boolean>()
  const got: Array<[Buffer, boolean]> = []
  const all = deferred()
  const { connect, sign } = await build(t, {
    options: {
      isRevoked: async () => {
        asked.resolve()
        return await answer.promise
      }
    },
    handler: socket => {
      socket.on('message', (data, isBinary) => { if (got.push([data as Buffer, isBinary]) === 6) all.resolve() })
    }
  })
  const client = connect()
  await client.opened()
  client.json({ type: 'auth', token: sign() })
  await asked.promise
  const sent: Array<[Buffer, boolean]> = [
    [Buffer.from('text'), false], [randomBytes(3), true], [Buffer.alloc(0), false], [Buffer.alloc(0), true], [randomBytes(65_000), true]
  ]
  for (const [data, binary] of sent) client.socket.send(data, { binary })
  client.socket.ping()
  await once(client.socket, 'pong')
  t.strictSame(got, [], 'all have arrived, and none is handled')
  answer.resolve(false)
  t.match(await client.next(), { type: 'auth_ok' })
  client.socket.send('late')
  await all.promise
  t.strictSame(got, [...sent, [Buffer.from('late'), false]])
})

/** Opens a connection whose authentication hangs, and sends frames. */
async function early (client: Client, token: string, ...frames: Array<string | Buffer>) {
  await client.opened()
  client.json({ type: 'auth', token })
  for (const data of frames) client.socket.send(data)
}

t.test('as many frames and bytes wait as allowed; one more closes with 4413', async t => {
  let answer = deferred<boolean>()
  const { connect, sign } = await build(t, {
    options: { maxEarlyFrames: 3, maxEarlyBytes: 10, isRevoked: async () => await answer.promise }
  })
  for (const fit of [['', '', ''], ['12345', '67890'], [Buffer.alloc(10)]]) {
    const client = connect()
    await early(client, sign(), ...fit)
    client.socket.ping()
    await once(client.socket, 'pong')
    answer.resolve(false)
    answer = deferred()
    t.match(await client.next(), { type: 'auth_ok' })
    for (const data of fit) t.strictSame((await client.raw())[0], Buffer.from(data as string))
  }
  for (const tooMuch of [['', '', '', ''], ['12345', '678901'], [Buffer.alloc(11)]]) {
    const client = connect()
    await early(client, sign(), ...tooMuch)
    await refused(t, client, 4413, 'early frame queue full', true)
  }
})

t.test('waiting frames are dropped when the token is refused', async t => {
  const { connect, sign } = await build(t, {
    options: { isRevoked: async () => true },
    handler: () => { t.fail('the handler ran') }
  })
  const client = connect()
  await early(client, sign(), 'one', 'two')
  await refused(t, client, 4403, 'token revoked', false)
})

t.test('a second auth among the early frames ends the replay', async t => {
  const got: string[] = []
  const { connect, sign } = await build(t, {
    options: { isRevoked: async () => false },
    handler: socket => { socket.on('message', data => { got.push(String(data)) }) }
  })
  const client = connect()
  const token = sign()
  await early(client, token, 'one', JSON.stringify({ type: 'auth', token }), 'two')
  t.match(await client.next(), { type: 'auth_ok' })
  await refused(t, client, 4429, 'already authenticated', true)
  t.strictSame(got, ['one'])
})

t.test('a handler that closes gets no early frame', async t => {
  const { connect, sign } = await build(t, {
    options: { isRevoked: async () => false },
    handler: socket => {
      socket.on('message', () => { t.fail('a message') })
      socket.close(4000, 'full')
    }
  })
  const client = connect()
  await early(client, sign(), 'one')
  t.match(await client.next(), { type: 'auth_ok' })
  t.strictSame(await client.closed, [4000, 'full'])
})

t.test('the handler is not called for a client that has sent frames and closed', async t => {
  const answer = deferred<boolean>()
  let called = false
  const { connect, sign } = await build(t, {
    options: { isRevoked: async () => await answer.promise },
    handler: () => { called = true }
  })
  const client = connect()
  await early(client, sign(), 'one')
  client.socket.close(1000)
  await client.closed
  answer.resolve(false)
  await new Promise(resolve => setImmediate(resolve))
  t.notOk(called)
})

t.test('early frames take the form that the handler chooses', async t => {
  for (const binaryType of ['arraybuffer', 'fragments'] as const) {
    const { connect, sign } = await build(t, {
      options: { isRevoked: async () => false },
      handler: socket => {
        socket.binaryType = binaryType
        socket.on('message', data => { socket.send(Array.isArray(data) ? 'fragments' : Object.prototype.toString.call(data)) })
      }
    })
    const client = connect()
    await early(client, sign(), Buffer.from('early'))
    t.match(await client.next(), { type: 'auth_ok' })
    const form = await client.next()
    client.socket.send(Buffer.from('later'))
    t.equal(await client.next(), form, binaryType)
  }
})

t.test('no listener at all sees anything before auth_ok', async t => {
  const seen: string[] = []
  const { app, connect, sign } = await build(t, {
    handler: function (socket) { echo.call(this, socket, null as never) }
  })
  app.websocketServer.on('connection', socket => {
    socket.on('message', data => { seen.push(`on ${String(data)}`) })
    socket.prependListener('message', data => { seen.push(`prepend ${String(data)}`) })
    socket.onmessage = ({ data }) => { seen.push(`onmessage ${String(data)}`) }
  })
  const client = connect()
  await client.auth(sign())
  t.strictSame(seen, [], 'not even the token')
  client.socket.send('hello')
  await client.next()
  t.strictSame(seen, ['prepend hello', 'on hello', 'onmessage hello'])
})
