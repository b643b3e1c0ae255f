import autoload from '@fastify/autoload'
import { createSigner } from 'fast-jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from './helpers.js'

const FOLDER = join(import.meta.dirname, 'autoload')

/** An application in the layout of fastify-cli, whose options are those that its `app.js` gets. */
async function build (t: Test, options: object, server: object = {}): Promise<FastifyInstance> {
  const app = Fastify(server)
  t.teardown(() => app.close())
  // fastify-cli registers the application's plugin with these.
  await app.register(async fastify => {
    await fastify.register(autoload, { dir: join(FOLDER, 'plugins'), options: { ...options } })
    await fastify.register(autoload, { dir: join(FOLDER, 'routes'), options: { ...options } })
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

/** With `fastify-cli --options`, the server's options are those of the application as well. */
const SERVER = { trustProxy: ['127.0.0.1'], bodyLimit: 100_000, ajv: { customOptions: { allErrors: false } }, genReqId: () => 'one' }

for (const [name, options, path, server] of [
  ['no options', {}, ''],
  ['the options of the server', { ...SERVER, prefix: '/api' }, '/api', SERVER],
  ['a prefix', { prefix: '/api' }, '/api'],
  ['a prefix that ends with a slash', { prefix: '/api/' }, '/api'],
  ['every option of Fastify', { prefix: '/api', logLevel: 'warn', logSerializers: { req: () => 'a request' } }, '/api']
] as const) {
  t.test(`@fastify/autoload loads every plugin, with ${name}`, async t => {
    const app = await build(t, options, server)
    const { port } = app.server.address() as AddressInfo
    // The decorators are those of the scope that autoload was registered in.
    const token = createSigner({ key: 'a secret for tests that is long enough', expiresIn: 60_000 })({ sub: 'alice' })
    const reply = await fetch(`http://127.0.0.1:${port}${path}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    t.equal(reply.status, 201)
    const { ticket } = await reply.json() as { ticket: string }
    const client = await connect(t, `ws://127.0.0.1:${port}${path}/v1/socket`, ['airlock.v1', `ticket.${ticket}`])
    client.send({ type: 'auth', token })
    t.match(await client.next(), { type: 'auth_ok' })
    t.same(await client.next(), { hello: 'alice' })
    client.socket.terminate()
  })
}

t.test('what is no option of Fastify is still an unknown option', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => {
    await app.register(autoload, { dir: join(FOLDER, 'plugins'), options: { prefix: '/api', some: true } })
  }, { code: 'WSA_GUARD_ERR_OPTION', message: /some/ })
})
