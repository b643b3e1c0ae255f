import wsHub from '@fastify-airlock/hub'
import Fastify from 'fastify'
import t from 'tap'
import wsPresence from '../src/index.js'

t.test('a wrong option is refused by name', async t => {
  const cases: Array<[options: object, name: RegExp]> = [
    [{ tpoics: [] }, /did you mean `topics`/],
    [{ topics: 'room' }, /topics/], [{ topics: [''] }, /pattern/], [{ topics: ['a/#/b'] }, /pattern/], [{ topics: [7] }, /topics/],
    [{ everyone: 1 }, /everyone/], [{ authorizePresence: true }, /authorizePresence/], [{ authorizeTimeout: 0 }, /authorizeTimeout/],
    [{ grace: -1 }, /grace/], [{ reportInterval: 0 }, /reportInterval/], [{ maxTopics: 0 }, /maxTopics/], [{ maxSubjects: Infinity }, /maxSubjects/],
    [{ maxStateBytes: '1' }, /maxStateBytes/], [{ maxStateBytes: 65_537 }, /maxStateBytes: Expected at most 65536/], [{ stateRate: 1 }, /stateRate/], [{ watchRate: { perSecond: 1 } }, /watchRate/], [{ syncInterval: 2 ** 31 }, /syncInterval/]
  ]
  for (const [options, message] of cases) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(wsHub)
    await t.rejects(async () => { await app.register(wsPresence, options) }, { code: 'WSA_PRESENCE_ERR_OPTION', message }, JSON.stringify(options))
  }
})

t.test('it needs a hub', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(wsPresence) }, { code: 'WSA_PRESENCE_ERR_NO_HUB' })
  app.decorate('wsHub', {} as never)
  await t.rejects(async () => { await app.register(wsPresence) }, { code: 'WSA_PRESENCE_ERR_NO_HUB' }, 'ours')
})

t.test('a hub has it once, in whatever scopes', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wsHub)
  await app.register(async scope => { await scope.register(wsPresence) })
  await t.rejects(async () => { await app.register(async scope => { await scope.register(wsPresence) }) }, { code: 'WSA_PRESENCE_ERR_REGISTERED_TWICE' })
})
