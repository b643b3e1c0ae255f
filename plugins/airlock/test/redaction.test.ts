import t from 'tap'
import { bare, build, jwt, listen } from './helpers.js'
import airlock from '../src/index.js'

const QUERY = 'ticket=canary-1&ACCESS_TOKEN=canary-2'

t.test('no credential is in the log, of a logger that the plugin did not make', async t => {
  const { app, log } = await build(t)
  app.get('/own', { logSerializers: { req: (request: { url: string, headers: object }) => ({ address: request.url, headers: request.headers }) } }, async () => 'own')
  app.wsRoute('/ws', { handshake: false }, () => {})
  const { connect, ticket, sign } = await listen(t, app)
  const good = await ticket('alice')
  const token = sign('alice')
  const headers = { authorization: `Bearer ${token}`, cookie: 'ticket=canary-3' }
  let bodies = ''
  for (const path of ['/own', '/none', '/ws']) {
    bodies += (await app.inject({ url: `${path}?${QUERY}`, headers })).body
    await t.rejects(connect(`${path === '/own' ? '/none' : path}?${QUERY}`), { message: /^HTTP 40/ })
  }
  await connect(`/ws?ticket=${good}`)
  await connect(`/own?${QUERY}`)
  await app.close()
  for (const secret of ['canary', good, token]) t.notOk((log.join('') + bodies).includes(secret), secret)
  t.match(log.join(''), /"address":"\/own\?ticket=\[redacted\]/)
  t.match(log.join(''), /no websocket handler/)
})

t.test('names of parameters are an option, in any letter case', async t => {
  const { app, log } = await build(t, { jwt, redaction: { parameters: ['Key'] } })
  t.equal((await app.inject('/none?key=canary&ticket=kept')).json().message, 'Route GET:/none not found')
  t.notMatch(log.join(''), 'canary')
  t.match(log.join(''), 'ticket=kept')
})

t.test('the handler for unknown routes can be left to the application, and the whole can be left out', async t => {
  for (const redaction of [{ notFoundHandler: false }, false] as const) {
    const { app, log } = await build(t, { jwt, redaction })
    t.match((await app.inject('/none?ticket=kept')).body, 'ticket=kept', 'as Fastify does it')
    t.equal(log.some(line => line.includes('"url":"/none?ticket=kept"')), redaction === false)
  }
  for (const order of ['before', 'after']) {
    const { app } = bare(t)
    const set = () => app.setNotFoundHandler((_request, reply) => reply.code(404).send('mine'))
    if (order === 'before') set()
    await app.register(airlock, { jwt })
    if (order === 'after') set()
    t.equal((await app.inject('/none')).body, 'mine', order)
  }
})
