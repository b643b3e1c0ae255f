import Fastify from 'fastify'
import t from 'tap'
import { refuseTwice } from '../src/index.js'

t.test('a plugin that is there already says what to change', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  for (const name of ['wsHub', 'wsProxy']) {
    refuseTwice(app, name, 'x')
    app.decorate(name, {})
  }
  const once = { code: 'FST_ERR_DEC_ALREADY_PRESENT', statusCode: 500, message: "The decorator 'wsHub' has already been added! Register @fastify-airlock/hub once, at the root" }
  t.throws(() => refuseTwice(app, 'wsHub', 'hub'), once)
  await app.register(async scope => {
    refuseTwice(scope, 'wsHub', 'hub')
    t.pass('a scope may have its own')
  })
  app.decorate('wsRoute' as string, {})
  t.throws(() => refuseTwice(app, 'wsHub', 'hub'), {
    message: "The decorator 'wsHub' has already been added! fastify-airlock has registered @fastify-airlock/hub: give the options there, { hub: { … } }, and do not register it again; or register it before"
  })
  t.throws(() => refuseTwice(app, 'wsProxy', 'proxy'), { message: /Register @fastify-airlock\/proxy once/ }, 'it is none of the preset')
})
