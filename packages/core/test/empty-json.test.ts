import t from 'tap'
import Fastify from 'fastify'
import { acceptEmptyJson } from '../src/index.js'

t.test('an empty JSON body is no body, in the scope that asked for it', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addContentTypeParser('application/json', (_request, _payload, done) => { done(null, 'of the application') })
  app.register(async scope => {
    acceptEmptyJson(scope)
    scope.post('/inside', async request => ({ body: request.body === undefined ? 'none' : request.body }))
  })
  app.post('/outside', async request => ({ body: request.body }))
  const post = async (url: string, payload: string) =>
    await app.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json' } })

  t.same((await post('/inside', '')).json(), { body: 'none' })
  t.same((await post('/inside', 'null')).json(), { body: null })
  t.same((await post('/inside', '{"a":1}')).json(), { body: { a: 1 } })
  t.equal((await post('/inside', '{"__proto__":{}}')).statusCode, 400, 'no poisoning')
  t.equal((await post('/inside', '{')).statusCode, 400)
  t.same((await post('/outside', '{}')).json(), { body: 'of the application' })
})

t.test('at the root it takes the place of the default parser', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  acceptEmptyJson(app)
  app.post('/', async request => ({ body: request.body ?? 'none' }))
  const response = await app.inject({ method: 'POST', url: '/', headers: { 'content-type': 'application/json' } })
  t.same(response.json(), { body: 'none' })
})
