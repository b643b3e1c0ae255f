import t from 'tap'
import jwt from '@fastify/jwt'
import swagger from '@fastify/swagger'
import { wsTickets } from '../src/index.js'
import { bare } from './helpers.js'

t.test('the route shows in the OpenAPI document', async t => {
  const app = bare(t)
  await app.register(swagger, { openapi: { components: { securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: 'session' } } } } })
  await app.register(jwt, { secret: 'of the test' })
  await app.register(wsTickets, { prefix: '/v1', route: { audiences: ['chat', 'admin'], security: [{ session: [] }] } })
  await app.ready()
  const operation = app.swagger().paths?.['/v1/ws/ticket']
  t.same(Object.keys(operation ?? {}), ['post'])
  t.match(operation, {
    post: {
      tags: ['websocket'],
      summary: 'Issue a ticket for a WebSocket upgrade',
      security: [{ session: [] }],
      requestBody: { required: false, content: { 'application/json': { schema: { properties: { audience: { description: /chat, admin/ } } } } } },
      responses: {
        201: { content: { 'application/json': { schema: { required: ['ticket', 'expiresIn', 'protocol'] } } } },
        400: {},
        401: {},
        429: {},
        503: {}
      }
    }
  })
})

t.test('the document can be made without a security requirement', async t => {
  const app = bare(t)
  await app.register(swagger, { openapi: {} })
  await app.register(jwt, { secret: 'of the test' })
  await app.register(wsTickets)
  await app.ready()
  t.notOk(app.swagger().paths?.['/ws/ticket']?.post?.security)
})

t.test('it says of this body alone that it is optional', async t => {
  for (const hidden of [false, true]) {
    const app = bare(t)
    await app.register(swagger, { openapi: {}, ...(hidden && { hiddenTag: 'websocket' }) })
    await app.register(jwt, { secret: 'of the test' })
    await app.register(wsTickets)
    app.post('/other', { schema: { body: { type: 'object' } } }, async () => {})
    app.get('/another', async () => {})
    await app.ready()
    for (const paths of [app.swagger().paths, app.swagger().paths]) {
      t.same(Object.keys(paths ?? {}).sort(), hidden ? ['/another', '/other'] : ['/another', '/other', '/ws/ticket'])
      t.match(paths?.['/other']?.post, { requestBody: { required: true } })
    }
    t.match(app.swagger({ yaml: true }), hidden ? /required: true/ : /required: false/)
  }
})

t.test('a document of Swagger 2.0', async t => {
  const app = bare(t)
  await app.register(swagger, { swagger: {} })
  await app.register(jwt, { secret: 'of the test' })
  await app.register(wsTickets)
  await app.ready()
  const { paths } = app.swagger() as { paths: Record<string, { post: { parameters: object[] } }> }
  t.match(paths['/ws/ticket']?.post.parameters, [{ in: 'body' }])
  t.notMatch(paths['/ws/ticket']?.post.parameters, [{ required: true }])
})
