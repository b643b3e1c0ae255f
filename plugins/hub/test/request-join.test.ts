import t from 'tap'
import { once } from 'node:events'
import { build } from './helpers.js'

t.test('by default nothing is allowed', async t => {
  const { hub, pair } = await build(t)
  const { socket } = await pair()
  t.equal(await hub.requestJoin(socket, 'news'), false)
  t.strictSame(hub.topics(), [])
})

t.test('the application decides by identity and topic', async t => {
  const asked: unknown[] = []
  const { hub, pair } = await build(t, {
    hub: {
      authorizeTopic: async (identity, topic, options) => {
        asked.push([identity, topic, options])
        return topic === `user/${identity.subject}`
      }
    }
  })
  const { socket } = await pair()
  t.equal(await hub.requestJoin(socket, 'user/alice'), true)
  t.equal(await hub.requestJoin(socket, 'user/bob'), false)
  t.equal(await hub.requestJoin(socket, 'user/+', { wildcard: true }), false)
  t.strictSame(asked, [
    [{ subject: 'alice' }, 'user/alice', { wildcard: false }],
    [{ subject: 'alice' }, 'user/bob', { wildcard: false }],
    [{ subject: 'alice' }, 'user/+', { wildcard: true }]
  ])
  t.strictSame(hub.topics(), ['user/alice'])
})

t.test('authorizeTopic is not called for an invalid topic', async t => {
  const { hub, pair } = await build(t, { hub: { authorizeTopic: () => t.fail('asked') } })
  const { socket } = await pair()
  for (const topic of [undefined, null, 7, {}, '', 'x'.repeat(257)]) t.equal(await hub.requestJoin(socket, topic), false)
  t.equal(await hub.requestJoin(socket, 'a#', { wildcard: true }), false)
})

t.test('anything but true denies', async t => {
  const answers: unknown[] = [undefined, 'yes', 1, Promise.resolve('yes')]
  const { hub, pair } = await build(t, { hub: { authorizeTopic: () => answers.shift() as boolean } })
  const { socket } = await pair()
  while (answers.length > 0) t.equal(await hub.requestJoin(socket, 'news'), false)
})

t.test('an error denies, and is logged', async t => {
  const lines: string[] = []
  const { hub, pair } = await build(t, {
    hub: { authorizeTopic: async () => { throw new Error('no database') } },
    fastify: { logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } }
  })
  const { socket } = await pair()
  t.equal(await hub.requestJoin(socket, 'news'), false)
  t.match(JSON.parse(lines[0] as string), { level: 50, err: { message: 'no database' } })
})

t.test('limits and state are checked again after authorizeTopic', async t => {
  let allow: ((yes: boolean) => void) | undefined
  const { hub, pair } = await build(t, {
    hub: { maxTopicsPerConnection: 1, authorizeTopic: () => new Promise(resolve => { allow = resolve }) }
  })
  const { socket } = await pair()
  const first = hub.requestJoin(socket, 'first')
  const allowFirst = allow
  const second = hub.requestJoin(socket, 'second')
  allow?.(true)
  t.equal(await second, true)
  allowFirst?.(true)
  t.equal(await first, false, 'the connection is full')

  hub.leave(socket, 'second')
  const late = hub.requestJoin(socket, 'late')
  const closed = once(socket, 'close')
  socket.terminate()
  await closed
  allow?.(true)
  t.equal(await late, false, 'it is gone')
  t.equal(await hub.requestJoin(socket, 'later'), false)
  t.strictSame(hub.topics(), [])
})

t.test('a socket that was not added cannot request a topic', async t => {
  const { hub, pair } = await build(t)
  const { socket } = await pair('/stranger')
  await t.rejects(hub.requestJoin(socket, 'news'), { code: 'WSA_HUB_ERR_UNKNOWN_SOCKET' })
})
