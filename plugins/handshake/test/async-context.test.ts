import { AsyncLocalStorage } from 'node:async_hooks'
import t from 'tap'
import { build } from './helpers.js'

t.test('hooks and handler run in the async context of the upgrade', async t => {
  const context = new AsyncLocalStorage<string>()
  const seen: Array<[string, string | undefined]> = []
  const note = (where: string): void => { seen.push([where, context.getStore()]) }
  const { connect, sign } = await build(t, {
    // As @fastify/request-context and @fastify/otel do.
    prepare: app => { app.addHook('onRequest', (request, _reply, done) => context.run(request.id, done)) },
    options: {
      isRevoked: async () => {
        note('isRevoked')
        return false
      },
      authorize: () => {
        note('authorize')
        return true
      }
    },
    async handler (socket) {
      note('handler')
      await null
      note('handler, later')
      socket.send('done')
    }
  })
  for (const id of ['req-1', 'req-2']) {
    const client = connect()
    await client.opened()
    client.json({ type: 'auth', token: sign() })
    t.match(await client.next(), { type: 'auth_ok' })
    t.equal(await client.next(), 'done')
    t.same(seen.splice(0), [['authorize', id], ['isRevoked', id], ['handler', id], ['handler, later', id]])
  }
})
