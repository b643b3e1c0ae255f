import t from 'tap'
import Fastify from 'fastify'
import { serverOptionsOf, withoutFastifyOptions } from '../src/index.js'

t.test('the options of register are left out, and the given object stays as it is', async t => {
  const options = { prefix: '/api', logLevel: 'warn', logSerializers: {}, max: 1, logger: true }
  t.same(withoutFastifyOptions(options), { max: 1, logger: true })
  t.equal(options.prefix, '/api')
  t.same(withoutFastifyOptions({ prefix: undefined }), {})
})

t.test('the options of the server are left out, as fastify-cli --options passes them on', async t => {
  const genReqId = (): string => '1'
  const options = { trustProxy: ['127.0.0.1'], bodyLimit: 1000, genReqId, ajv: { customOptions: { coerceTypes: false } }, some: true }
  const app = Fastify({ ...options, ajv: { customOptions: { coerceTypes: false, allErrors: false } } } as object)
  t.teardown(() => app.close())
  await app.register(async scope => {
    for (const instance of [app, scope]) {
      t.same(withoutFastifyOptions({ ...options, prefix: '/api', max: 1 }, instance), { some: true, max: 1 }, 'what Fastify does not know stays')
      t.same(withoutFastifyOptions({ trustProxy: ['10.0.0.1'], bodyLimit: 5, requestTimeout: 7, https: null }, instance), { bodyLimit: 5, requestTimeout: 7, https: null }, 'what the server was not made with is a mistake')
    }
  })
  t.same(withoutFastifyOptions({ bodyLimit: 1000 }), { bodyLimit: 1000 })
  const unknown = {} as typeof app
  t.equal(serverOptionsOf(unknown), undefined)
  t.same(withoutFastifyOptions({ bodyLimit: 1000 }, unknown), { bodyLimit: 1000 })
})
