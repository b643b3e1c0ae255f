import fastifyJwt from '@fastify/jwt'
import t from 'tap'
import { jwt } from '../src/index.js'
import { attempt, build, listen } from './helpers.js'

const secret = 'a secret for tests that is long enough'
const error = (members: object): Error => Object.assign(new Error('away'), members)
const UNAVAILABLE = { status: 503, code: 'WSA_GUARD_ERR_UNAVAILABLE', headers: { 'retry-after': '1' } }

t.test('an authenticator that could not ask anybody is 503; its own status is its own word', async t => {
  let thrown: unknown
  const app = await build(t)
  app.get('/throws', { websocket: true, preValidation: app.wsGuard({ authenticate: () => { throw thrown } }) }, () => {})
  app.get('/rejects', { websocket: true, preValidation: app.wsGuard({ authenticate: async () => { throw thrown } }) }, () => {})
  const port = await listen(app)
  for (const [given, expected] of [
    [error({ code: 'ECONNREFUSED' }), UNAVAILABLE],
    [error({ status: 503 }), UNAVAILABLE],
    [error({ statusCode: 401, cause: error({ code: 'ECONNREFUSED' }) }), UNAVAILABLE],
    [error({ statusCode: 401 }), { status: 401 }],
    [error({ statusCode: 429 }), { status: 429 }],
    [error({ statusCode: 502, code: 'ECONNREFUSED' }), { status: 502, code: 'ECONNREFUSED' }],
    [error({}), { status: 500 }]
  ] as const) {
    thrown = given
    for (const path of ['/throws', '/rejects']) t.match(await attempt(port, path), expected, `${path} ${JSON.stringify(given)}`)
  }
})

t.test('isRevoked that fails says nothing about the token, whatever status its error has', async t => {
  let answer: () => boolean | Promise<boolean> = () => false
  const app = await build(t)
  await app.register(fastifyJwt, { secret })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard({ authenticate: jwt({ isRevoked: () => answer() }) }) }, socket => { socket.send('null') })
  const port = await listen(app)
  const headers = { authorization: `Bearer ${app.jwt.sign({ sub: 'alice' }, { expiresIn: '1m' })}` }
  for (const [given, expected] of [
    [error({}), UNAVAILABLE], [error({ statusCode: 401 }), UNAVAILABLE], [error({ statusCode: 404 }), UNAVAILABLE], [error({ statusCode: 200 }), UNAVAILABLE],
    [undefined, UNAVAILABLE], [error({ statusCode: 502 }), { status: 502 }]
  ] as const) {
    for (const fail of [() => { throw given }, async () => { throw given }]) {
      answer = fail
      t.match(await attempt(port, '/ws', [], { headers }), expected, JSON.stringify(given))
    }
  }
  for (const yes of [() => false, async () => false]) {
    answer = yes
    t.match(await attempt(port, '/ws', [], { headers }), { status: 101 })
  }
})
