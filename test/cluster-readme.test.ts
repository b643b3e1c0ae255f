import { requireServer, startRedis } from '@fastify-airlock/test-servers'
import fastifyJwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import wsHub from '@fastify-airlock/hub'
import wsTickets from '@fastify-airlock/ticket'
import { transform } from 'esbuild'
import Fastify from 'fastify'
import mqemitter from 'mqemitter'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { runInThisContext } from 'node:vm'
import t, { type Test } from 'tap'
import { until } from './time.js'

const root = resolve(import.meta.dirname, '..')

/** The blocks of a section, as functions of the names that they take for granted. */
async function blocksOf (file: string, heading: string): Promise<Array<(names: Record<string, unknown>) => Promise<Record<string, any>>>> {
  const text = await readFile(resolve(root, file), 'utf8')
  const section = new RegExp(`^### ${heading}\\n(.*?)(?=^##)`, 'ms').exec(text)?.[1] ?? ''
  const blocks = [...section.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = '']) => block)
  return await Promise.all(blocks.map(async block => {
    const made = [...block.matchAll(/^const (\w+)/gm)].map(([, name]) => name)
    const { code } = await transform(block, { loader: 'ts' })
    const imports = code.replace(/^import (\{.*?\}|\w+) from "(.*?)";$/gm, (_, what: string, from: string) =>
      `const ${what.startsWith('{') ? what : `{ default: ${what} }`} = await load(${JSON.stringify(from)});`)
    return async names => {
      const source = `(load, ${Object.keys(names).join()}) => (async () => {${imports}\nreturn { ${made.join()} } })()`
      return await runInThisContext(source)(async (name: string) => await import(name), ...Object.values(names))
    }
  }))
}

async function server (t: Test, bus = mqemitter()) {
  const app = Fastify()
  t.teardown(() => app.close())
  return { app, bus }
}

t.test('cluster messages', async t => {
  const [messages, nodes] = await blocksOf('plugins/hub/README.md', 'Cluster messages')
  const bus = mqemitter()
  const apps = []
  for (let index = 0; index < 2; index++) {
    const { app } = await server(t, bus)
    await app.register(wsHub, { bus, busBeat: 600_000 })
    await app.ready()
    apps.push(app)
  }
  const [a, b] = apps as [typeof apps[0] & object, typeof apps[0] & object]
  await until(async () => (await a.wsHub.nodes()).length === 2)
  const cache = new Map([['user:alice', 1], ['user:bob', 2]])
  const other = new Map(cache)
  b.wsHub.on('cache/forget', key => other.delete(key))
  await b.wsHub.busReady()
  await messages?.({ app: a, cache })
  t.strictSame([...cache.keys()], ['user:bob'])
  await until(() => other.size === 0)
  const found = await nodes?.({ app: a })
  t.match(found, { nodes: [{ own: true, connections: 0 }, { own: false }], readers: 0 })
})

t.test('limits over all nodes', async t => {
  const redis = requireServer(t, await startRedis())
  if (redis === null) return
  t.teardown(() => redis.stop())
  const { REDIS_URL } = process.env
  t.teardown(() => {
    if (REDIS_URL === undefined) delete process.env.REDIS_URL
    else process.env.REDIS_URL = REDIS_URL
  })
  process.env.REDIS_URL = redis.url
  const [hub] = await blocksOf('plugins/hub/README.md', 'Limits over all nodes')
  const [tickets] = await blocksOf('plugins/ticket/README.md', 'Limits over all nodes')
  const { app, bus } = await server(t)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(rateLimit, { global: false })
  const made = [await hub?.({ app, bus, wsHub }), await tickets?.({ app, wsTickets })]
  t.teardown(() => { for (const names of made) names?.redis.disconnect() })
  await app.ready()
  await until(() => app.wsHub.health().counter === 'up')
  const headers = { authorization: `Bearer ${app.jwt.sign({ sub: 'alice' })}` }
  await until(async () => {
    await app.inject({ method: 'POST', url: '/ws/ticket', headers })
    return (app.wsTickets.rateCounter?.taken ?? 0) > 0
  })
})
