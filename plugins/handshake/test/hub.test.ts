import type { WsIdentity } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import t from 'tap'
import { build, refused, type Setup } from './helpers.js'

/** Takes the place of the hub: anything with `add` will do. */
function fakeHub (add: (socket: WebSocket, identity: WsIdentity) => void = () => {}) {
  const members = new Set<WebSocket>()
  const calls: string[] = []
  const prepare: Setup['prepare'] = app => app.decorate<unknown>('wsHub', {
    add: (socket: WebSocket, identity: WsIdentity) => {
      calls.push(`hub ${identity.subject}`)
      members.add(socket)
      add(socket, identity)
      return true
    }
  })
  return { members, calls, prepare }
}

t.test('the hub learns of a connection after auth_ok and before the handler', async t => {
  const { calls, prepare } = fakeHub(socket => { socket.send('from the hub') })
  const { connect, sign } = await build(t, {
    prepare,
    handler: socket => {
      calls.push('handler')
      socket.send('from the handler')
    }
  })
  const client = connect()
  t.match(await client.auth(sign()), { type: 'auth_ok' })
  t.equal(await client.next(), 'from the hub')
  t.equal(await client.next(), 'from the handler')
  t.strictSame(calls, ['hub alice', 'handler'])
})

t.test('a broadcast reaches only authenticated clients', async t => {
  const { members, prepare } = fakeHub()
  const { connect, sign } = await build(t, { prepare, options: { isRevoked: async token => token.claims.revoked === true } })
  const [stranger, refusedOne, member] = [connect(), connect(), connect()]
  await Promise.all([stranger.opened(), refusedOne.opened(), member.opened()])
  refusedOne.json({ type: 'auth', token: sign({ revoked: true }) })
  await refused(t, refusedOne, 4403, 'token revoked', false)
  await member.auth(sign())
  for (const socket of members) socket.send('news')
  t.equal(await member.next(), 'news')
  t.match(await stranger.auth(sign()), { type: 'auth_ok' }, 'nothing was sent to it before')
})

t.test('a hub that is registered after the route is found', async t => {
  const { calls, prepare } = fakeHub()
  const { connect, sign } = await build(t, { finish: prepare as NonNullable<Setup['finish']> })
  await connect().auth(sign())
  t.strictSame(calls, ['hub alice'])
})

t.test('a route can do without the hub', async t => {
  const { calls, prepare } = fakeHub()
  const { connect, sign } = await build(t, { prepare, options: { hub: false } })
  await connect().auth(sign())
  t.strictSame(calls, [])
})

t.test('the handler is not called when the hub closes the connection', async t => {
  const { prepare } = fakeHub(socket => { socket.close(4009, 'too many') })
  let called = false
  const { connect, sign } = await build(t, { prepare, handler: () => { called = true } })
  const client = connect()
  t.match(await client.auth(sign()), { type: 'auth_ok' })
  t.strictSame(await client.closed, [4009, 'too many'])
  t.notOk(called)
})

t.test('a hub that throws closes with 4500', async t => {
  const { prepare } = fakeHub(() => { throw new Error('broken hub') })
  const { connect, sign, lines } = await build(t, { prepare, handler: () => { t.fail('the handler ran') } })
  const client = connect()
  t.match(await client.auth(sign()), { type: 'auth_ok' })
  await refused(t, client, 4500, 'internal error', true)
  t.ok(lines.some(line => line.includes('broken hub')))
})

t.test('the limit of messages is told to who asks, if there is one', async t => {
  const messageRate = { perSecond: 7, burst: 9 }
  for (const [hub, options, asked, told] of [
    [{ messageRate }, {}, true, messageRate], [{ messageRate }, {}, false, undefined], [{ messageRate }, {}, undefined, undefined],
    [{ messageRate }, {}, 1, undefined], [{ messageRate: false }, {}, true, undefined], [{}, {}, true, undefined],
    [{ messageRate }, { hub: false }, true, undefined], [undefined, {}, true, undefined]
  ] as const) {
    const { connect, sign } = await build(t, {
      prepare: app => { if (hub !== undefined) app.decorate<unknown>('wsHub', { ...hub, add: () => true }) },
      options
    })
    const client = connect()
    await client.opened()
    client.json({ type: 'auth', token: sign(), ...(asked !== undefined && { messageRate: asked }) })
    const answer = await client.next()
    t.match(answer, { type: 'auth_ok' })
    t.strictSame(answer.messageRate, told)
    t.equal('messageRate' in answer, told !== undefined)
  }
})
