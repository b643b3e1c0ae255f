import fastifyJwt from '@fastify/jwt'
import wsGuard, { ticket, type GuardOptions } from '@fastify-airlock/guard'
import wsHandshake, { type WsHandshakeOptions } from '@fastify-airlock/handshake'
import wsTickets from '@fastify-airlock/ticket'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { ProxyPluginOptions } from '../src/index.js'
import { build, client, connect, echo, frame, type Peer, refusal, SECRET, silence, tcp, until, upgrade, upstream } from './helpers.js'

const secret = 'a secret for tests that is long enough'

interface Doors {
  proxy: ProxyPluginOptions
  guard?: GuardOptions
  /** `false` for the first door only. */
  handshake?: WsHandshakeOptions | false
}

/** A server with both doors, in front of a proxy at `/ws`. */
async function doors (t: Test, { proxy: options, guard = {}, handshake = {} }: Doors) {
  const server = await build(t, {
    proxy: options,
    routes: async app => {
      await app.register(wsGuard)
      await app.register(fastifyJwt, { secret })
      await app.register(wsTickets)
      await app.register(wsHandshake)
      const proxy = app.wsProxy()
      app.get('/ws', {
        websocket: true,
        preValidation: [app.wsGuard({ authenticate: ticket(), ...guard }), proxy.dial]
      }, handshake === false ? proxy : app.wsHandshake(proxy, handshake))
    }
  })
  return {
    ...server,
    sign: (app: FastifyInstance, sub = 'alice') => app.jwt.sign({ sub }, { expiresIn: 60 }),
    protocols: async (...more: string[]) => ['airlock.v1', ...more, `ticket.${(await server.app.wsTickets.issue('alice')).ticket}`]
  }
}

async function authenticate (peer: Peer, token: string): Promise<void> {
  peer.socket.send(JSON.stringify({ type: 'auth', token }))
  t.match(JSON.parse(await peer.text()), { type: 'auth_ok', user: { id: 'alice' } })
}

t.test('a client comes through both doors as the user of ticket and JWT', async t => {
  const far = await upstream(t, { onConnection: peer => { peer.socket.send('welcome'); echo(peer) } })
  const { app, lines, port, protocols, sign } = await doors(t, {
    proxy: {
      upstream: far.url,
      headers: async ({ wsIdentity }) => ({ 'X-Api-Key': SECRET, 'X-User': wsIdentity?.subject })
    }
  })
  const offered = await protocols()
  const near = await connect(t, port, offered, { headers: { cookie: 'session=s3ss10n', authorization: 'Basic YTpi' } })
  t.equal(near.socket.protocol, 'airlock.v1')
  const peer = await far.next()
  t.strictSame(Object.keys(peer.request.headers).sort(), [
    'connection', 'host', 'sec-websocket-key', 'sec-websocket-version', 'upgrade', 'x-api-key', 'x-user'
  ])
  t.match(peer.request.headers, { 'x-api-key': SECRET, 'x-user': 'alice' })

  await authenticate(near, sign(app))
  t.equal(await near.text(), 'welcome', 'nothing before auth_ok')
  near.socket.send('hello')
  t.equal(await near.text(), 'hello')
  t.equal(peer.received.length, 1, 'the token is not the upstream\'s')

  near.socket.close(4000, 'bye')
  t.same(await peer.closed, [4000, 'bye'])
  await until(() => app.wsProxy.open === 0)
  const log = lines.join('')
  for (const hidden of [SECRET, 's3ss10n', offered.at(-1) as string]) t.notMatch(log, hidden)
})

t.test('the guard refuses first, and dials nobody', async t => {
  const far = await upstream(t)
  const { port, protocols } = await doors(t, { proxy: { upstream: far.url } })
  t.match(await refusal(t, port, ['airlock.v1']), { status: 401 })
  t.match(await refusal(t, port, await protocols(), { origin: 'https://evil.example' }), { status: 403 })
  t.equal(far.requests.length, 0)
})

t.test('a refused JWT closes the upstream', async t => {
  const far = await upstream(t)
  const { app, port, protocols, sign } = await doors(t, { proxy: { upstream: far.url } })
  for (const token of ['nonsense', sign(app, 'bob')]) {
    const near = await connect(t, port, await protocols())
    near.socket.send(JSON.stringify({ type: 'auth', token }))
    const peer = await far.next()
    t.match((await near.closed)[0], /^440[13]$/)
    t.same(await peer.closed, [1001, 'client connection lost'])
    t.equal(peer.received.length, 0)
  }
  await until(() => app.wsProxy.open === 0)
})

t.test('a JWT that never comes closes the upstream, and so does a client that leaves', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { for (let i = 0; i < 100; i++) socket.send(`${i}`) } })
  const { app, port, protocols } = await doors(t, { proxy: { upstream: far.url }, handshake: { authTimeout: 100 } })
  const mute = await connect(t, port, await protocols())
  t.match(await mute.closed, [4408])
  t.same(await (await far.next()).closed, [1001, 'client connection lost'])

  const socket = tcp(t, port, upgrade('/ws', [`Sec-WebSocket-Protocol: ${(await protocols()).join(', ')}`]))
  const peer = await far.next()
  socket.resetAndDestroy()
  t.same(await peer.closed, [1001, 'client connection lost'])
  await until(() => app.wsProxy.open === 0)
})

t.test('an upstream that has closed before the JWT came is reported after it', async t => {
  const far = await upstream(t, { onConnection: ({ socket }) => { socket.send('sorry'); socket.close(4999, 'full') } })
  const { app, port, protocols, sign } = await doors(t, { proxy: { upstream: far.url } })
  const near = await connect(t, port, await protocols())
  await authenticate(near, sign(app))
  t.equal(await near.text(), 'sorry')
  t.same(await near.closed, [4999, 'full'])
})

t.test('dialled late, an upstream sees only authenticated clients', async t => {
  const far = await upstream(t, { onConnection: echo })
  const { app, port, protocols, sign } = await doors(t, {
    proxy: { upstream: far.url, dial: 'authenticated', headers: request => ({ 'x-user': String(request.wsIdentity?.subject) }) }
  })
  const near = await connect(t, port, await protocols())
  near.socket.send(JSON.stringify({ type: 'auth', token: sign(app) }))
  // In one packet with the frame before, so that both are read before there is an upstream.
  for (let i = 0; i < 5; i++) near.socket.send(`${i}`)
  t.match(JSON.parse(await near.text()), { type: 'auth_ok' })
  for (let i = 0; i < 5; i++) t.equal(await near.text(), `${i}`)
  t.equal((await far.next()).request.headers['x-user'], 'alice')

  const refused = await connect(t, port, await protocols())
  refused.socket.send(JSON.stringify({ type: 'auth', token: 'nonsense' }))
  t.match(await refused.closed, [4401])
  t.equal(far.requests.length, 1)
})

t.test('dialled late, an upstream gets the frames that came together with the JWT', async t => {
  const far = await upstream(t)
  const { app, port, protocols, sign } = await doors(t, { proxy: { upstream: far.url, dial: 'authenticated' } })
  const auth = JSON.stringify({ type: 'auth', token: sign(app) })
  const head = Buffer.from([0x81, 0xfe, auth.length >> 8, auth.length & 255, 0, 0, 0, 0])
  tcp(t, port,
    upgrade('/ws', [`Sec-WebSocket-Protocol: ${(await protocols()).join(', ')}`]),
    head, auth, frame('one'), frame('two'), frame('three'))
  const peer = await far.next()
  for (const text of ['one', 'two', 'three']) t.equal(await peer.text(), text)
})

t.test('dialled late, a failure is a close', async t => {
  const { url, sockets } = await silence(t)
  for (const [proxy, expected] of [
    [{ upstream: 'ws://127.0.0.1:1' }, [1014, 'upstream unavailable']],
    [{ upstream: url, dialTimeout: 100 }, [1014, 'upstream unavailable']],
    [{ upstream: url, headers: () => { throw new Error(SECRET) } }, [4500, 'internal error']]
  ] as const) {
    const { app, port } = await build(t, {
      proxy: { ...proxy, dial: 'authenticated' },
      routes: app => {
        const proxy = app.wsProxy()
        app.get('/ws', { websocket: true, preValidation: proxy.dial }, proxy)
      }
    })
    const near = client(t, port)
    t.same(await near.closed, expected)
    t.equal(app.wsProxy.dialling, 0)
  }
  await until(() => sockets.size === 0)
})

t.test('dialled late, the dial ends when the client leaves or the server shuts down', async t => {
  const { url, sockets } = await silence(t)
  const { app, port } = await build(t, {
    proxy: { upstream: url, dial: 'authenticated', dialTimeout: 60_000 },
    routes: app => { app.get('/ws', { websocket: true }, app.wsProxy()) }
  })
  const leaving = await connect(t, port)
  await until(() => sockets.size === 1)
  leaving.socket.close(4000)
  await leaving.closed
  await until(() => sockets.size === 0 && app.wsProxy.dialling === 0)

  const staying = await connect(t, port)
  await until(() => sockets.size === 1)
  await app.close()
  t.equal((await staying.closed)[0], 1012)
  await until(() => sockets.size === 0)
})

t.test('dialled late, a client that sends a lot meanwhile is not read', async t => {
  const { url, sockets } = await silence(t)
  const { app, port } = await build(t, {
    proxy: { upstream: url, dial: 'authenticated', dialTimeout: 60_000 },
    routes: app => { app.get('/ws', { websocket: true }, app.wsProxy()) }
  })
  const near = await connect(t, port)
  for (let i = 0; i < 512; i++) near.socket.send(Buffer.alloc(64 * 1024))
  await until(() => [...app.websocketServer.clients].some(client => client.isPaused))
  t.ok(near.socket.bufferedAmount > 16 * 1024 * 1024, `${near.socket.bufferedAmount} bytes still wait at the client`)
  for (const socket of sockets) socket.destroy()
  t.match((await near.closed)[0], /^10(14|06)$/)
  await until(() => app.websocketServer.clients.size === 0)
})

t.test('a protocol with its own authentication uses only the first door', async t => {
  // The beginning of graphql-transport-ws.
  const far = await upstream(t, {
    options: { handleProtocols: offered => offered.has('graphql-transport-ws') ? 'graphql-transport-ws' : false },
    onConnection: ({ socket }) => {
      socket.on('message', data => {
        const { type, payload } = JSON.parse(String(data))
        if (type !== 'connection_init') return
        if (payload.token === 'good') socket.send('{"type":"connection_ack"}')
        else socket.close(4403, 'Forbidden')
      })
    }
  })
  const { port, protocols } = await doors(t, {
    proxy: { upstream: far.url, protocols: ['graphql-transport-ws'] },
    guard: { protocols: ['airlock.v1', 'graphql-transport-ws'] },
    handshake: false
  })
  t.match(await refusal(t, port, ['graphql-transport-ws']), { status: 401 })

  const good = await connect(t, port, await protocols('graphql-transport-ws'))
  t.equal(good.socket.protocol, 'graphql-transport-ws', "the upstream's choice, whatever the guard had chosen")
  t.equal((await far.next()).request.headers['sec-websocket-protocol'], 'graphql-transport-ws')
  good.socket.send('{"type":"connection_init","payload":{"token":"good"}}')
  t.equal(await good.text(), '{"type":"connection_ack"}')

  const bad = await connect(t, port, (await protocols('graphql-transport-ws')).slice(1))
  bad.socket.send('{"type":"connection_init","payload":{"token":"bad"}}')
  t.same(await bad.closed, [4403, 'Forbidden'])
})
