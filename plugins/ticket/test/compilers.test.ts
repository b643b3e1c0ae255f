import t, { type Test } from 'tap'
import jwt from '@fastify/jwt'
import swagger from '@fastify/swagger'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import { Type, type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import {
  jsonSchemaTransform, jsonSchemaTransformObject, serializerCompiler as zodSerializer, validatorCompiler as zodValidator, type ZodTypeProvider
} from 'fastify-type-provider-zod'
import * as v from 'valibot'
import { z } from 'zod/v4'
import { wsTickets } from '../src/index.js'
import { bare, signedIn } from './helpers.js'

/** A server as its owner has set it up, with a route of the owner's that shows that the set-up is in force. */
interface Setup {
  prepare (app: FastifyInstance): void
  /** Answers 200 to the body `{ "size": 1 }`, and an error to `{}`. */
  route (app: FastifyInstance): void
}

const answer = (_request: unknown, reply: { send (body: object): unknown }) => { reply.send({ good: true }) }
const jsonSchema = { type: 'object', properties: { size: { type: 'integer' } }, required: ['size'] } as const

const valibotRoute: Setup['route'] = app => {
  app.post('/own', { schema: { body: v.object({ size: v.number() }), response: { 200: v.object({ good: v.boolean() }) } } }, answer)
}

const parseBy = (schema: unknown) => (data: unknown) => {
  const { success, output, issues } = v.safeParse(schema as v.GenericSchema, data)
  return success ? { value: output } : { error: new Error(issues[0].message) }
}

const SETUPS: Record<string, Setup> = {
  'zod: validator and serializer': {
    prepare: app => app.setValidatorCompiler(zodValidator).setSerializerCompiler(zodSerializer),
    route: app => app.withTypeProvider<ZodTypeProvider>().post('/own', {
      schema: { body: z.object({ size: z.number() }), response: { 200: z.object({ good: z.boolean() }) } }
    }, answer)
  },
  'zod: validator alone': {
    prepare: app => app.setValidatorCompiler(zodValidator),
    route: app => app.post('/own', { schema: { body: z.object({ size: z.number() }) } }, answer)
  },
  'zod: serializer alone': {
    prepare: app => app.setSerializerCompiler(zodSerializer),
    route: app => app.post('/own', { schema: { body: jsonSchema, response: { 200: z.object({ good: z.boolean() }) } } }, answer)
  },
  TypeBox: {
    prepare: app => app.setValidatorCompiler(TypeBoxValidatorCompiler),
    route: app => app.withTypeProvider<TypeBoxTypeProvider>().post('/own', { schema: { body: Type.Object({ size: Type.Number() }) } }, answer)
  },
  'json-schema-to-ts': {
    prepare: () => {},
    route: app => app.withTypeProvider<JsonSchemaToTsProvider>().post('/own', { schema: { body: jsonSchema } }, answer)
  },
  valibot: {
    prepare: app => app
      .setValidatorCompiler(({ schema }) => parseBy(schema))
      .setSerializerCompiler(({ schema }) => data => JSON.stringify(v.parse(schema as v.GenericSchema, data))),
    route: valibotRoute
  },
  'a schema controller with compilers of its own': {
    prepare: app => app.setSchemaController({
      compilersFactory: {
        buildValidator: (() => ({ schema }: { schema: unknown }) => parseBy(schema)) as never,
        buildSerializer: () => ({ schema }) => data => JSON.stringify(v.parse(schema as v.GenericSchema, data))
      }
    }),
    route: valibotRoute
  },
  'a schema controller with a bucket of its own': {
    prepare: app => app.setSchemaController({ bucket: () => ({ add () { return app }, getSchema () {}, getSchemas: () => ({}) }) }),
    route: app => app.post('/own', { schema: { body: jsonSchema } }, answer)
  },
  'compilers that refuse everything': {
    prepare: app => app
      .setValidatorCompiler(() => data => (data as { size?: number }).size === 1 ? true : { error: new Error('no') })
      .setSerializerCompiler(() => () => '"not the answer"'),
    route: app => app.post('/own', { schema: { body: {} } }, answer)
  },
  'an error formatter and an error handler': {
    prepare: app => app
      .setSchemaErrorFormatter(() => new Error('formatted'))
      .setErrorHandler((error: Error & { statusCode?: number, code?: string }, _request, reply) => {
        reply.code(error.statusCode ?? 500).send({ code: error.code, handled: true })
      }),
    route: app => app.post('/own', { schema: { body: jsonSchema } }, answer)
  },
  'a preSerialization hook': {
    prepare: app => { app.addHook('preSerialization', async (_request, _reply, payload) => ({ data: payload })) },
    route: app => app.post('/own', { schema: { body: jsonSchema } }, answer)
  },
  'a reply serializer': {
    prepare: app => app.setReplySerializer(payload => JSON.stringify({ data: payload })),
    route: app => app.post('/own', { schema: { body: jsonSchema } }, answer)
  }
}

for (const [name, { prepare, route }] of Object.entries(SETUPS)) {
  t.test(`the route works beside ${name}`, async t => {
    const app = await build(t, prepare)
    route(app)
    const own = async (payload: object) => (await app.inject({ method: 'POST', url: '/own', payload })).statusCode
    t.equal(await own({ size: 1 }), 200, 'the set-up is in force')
    t.not(await own({}), 200)

    const ask = async (payload?: string, headers = signedIn(app)) => await app.inject({
      method: 'POST', url: '/ws/ticket', headers: { ...headers, ...(payload !== undefined && { 'content-type': 'application/json' }) }, ...(payload !== undefined && { payload })
    })
    for (const payload of [undefined, '', 'null', '{}', '{"audience":"chat"}', '{"other":1}']) {
      const response = await ask(payload)
      t.equal(response.statusCode, 201, String(payload))
      t.match(response.headers['content-type'], 'application/json')
      t.match(Object.keys(response.json()), ['ticket', 'expiresIn', 'protocol'])
      t.match(await app.wsTickets.redeem(response.json().ticket), { subject: 'alice' })
    }
    for (const [payload, code, message] of [
      ['{"audience":1}', 'WSA_TICKET_ERR_BODY', /audience: Invalid type: Expected string/],
      ['[]', 'WSA_TICKET_ERR_BODY', /body: Expected an object/],
      ['"chat"', 'WSA_TICKET_ERR_BODY', /body: Invalid type: Expected Object/],
      ['{"audience":"other"}', 'WSA_TICKET_ERR_AUDIENCE', /audience/]
    ] as const) {
      const response = await ask(payload)
      t.equal(response.statusCode, 400, payload)
      const body = response.json()
      t.match(body.data ?? body, { code, ...(body.handled !== true && { message }) })
    }
    const refused = await ask(undefined, { authorization: 'Bearer x.y.z' })
    t.equal(refused.statusCode, 401, 'errors are serialized too')
    t.match(refused.body, /"code":"FST_JWT_/)
  })
}

t.test('the OpenAPI document of an application of zod schemas has the route', async t => {
  for (const openapi of ['3.0.3', '3.1.0']) {
    const app = await build(t, app => {
      app.setValidatorCompiler(zodValidator).setSerializerCompiler(zodSerializer)
      app.register(swagger, { openapi: { openapi }, transform: jsonSchemaTransform, transformObject: jsonSchemaTransformObject })
    })
    SETUPS['zod: validator and serializer']?.route(app)
    await app.ready()
    const { paths } = app.swagger()
    t.match(paths?.['/ws/ticket']?.post, {
      requestBody: { required: false, content: { 'application/json': { schema: { properties: { audience: { type: 'string' } } } } } }
    }, openapi)
    t.match(paths?.['/own']?.post, { requestBody: { required: true, content: { 'application/json': { schema: { properties: { size: { type: 'number' } } } } } } })
  }
})

async function build (t: Test, prepare: Setup['prepare']): Promise<FastifyInstance> {
  const app = bare(t)
  prepare(app)
  await app.register(jwt, { secret: 'of the test' })
  await app.register(wsTickets, { audience: 'chat', route: { audiences: ['chat'] } })
  return app
}
