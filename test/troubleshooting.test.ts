import fastifyJwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import websocket from '@fastify/websocket'
import wsGuard, { jwt, logSerializers, notFoundHandler, serverOptions, websocketOptions } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHub from '@fastify-airlock/hub'
import wsIntrospect from '@fastify-airlock/introspect'
import wsProxy from '@fastify-airlock/proxy'
import wsTickets from '@fastify-airlock/ticket'
import wsTopics from '@fastify-airlock/topics'
import airlock from 'fastify-airlock'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import mqemitter from 'mqemitter'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'

/** A mistake as docs/troubleshooting.md has it. */
interface Section {
  title: string
  code: string
  /** What one sees. */
  text: string
}

interface Row {
  title: string
  anchor: string
  happens: string
  code: string
}

type Outcome = { kind: 'throws' | 'warns' | 'is refused' | 'is documented', text: string }

const document = await readFile(new URL('../docs/troubleshooting.md', import.meta.url), 'utf8')
const secret = 'a secret for tests that is long enough'
const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => (...given: unknown[]) => Promise<void>

/** Runs a block, and returns what it throws, what it warns of or what it prints. */
async function run (t: Test, code: string): Promise<Outcome> {
  const warnings: string[] = []
  const printed: string[] = []
  const apps: FastifyInstance[] = []
  const stream = {
    write: (line: string) => {
      const { level, code, msg } = JSON.parse(line)
      if (level === 40) warnings.push(code === undefined ? msg : `${code}: ${msg}`)
    }
  }
  const make = (options: FastifyServerOptions = {}): FastifyInstance => {
    const app = Fastify(options)
    t.teardown(() => app.close())
    apps.push(app)
    return app
  }
  const quickStart = async (): Promise<FastifyInstance> => {
    const app = make({ logger: { stream, serializers: logSerializers() } })
    app.setNotFoundHandler(notFoundHandler())
    await app.register(websocket, websocketOptions())
    await app.register(wsGuard)
    await app.register(fastifyJwt, { secret })
    await app.register(wsTickets)
    await app.register(wsHandshake)
    await app.register(wsHub)
    return app
  }
  const app = code.includes('const app =') ? null : await quickStart()
  const context = {
    app,
    airlock,
    rateLimit,
    ticket: async (subject: string) => (await (app as FastifyInstance).wsTickets.issue(subject)).ticket,
    token: (sub: string) => (app as FastifyInstance).jwt.sign({ sub }, { expiresIn: 60 }),
    client: async (app: FastifyInstance, options?: ClientOptions) => await client(t, app, options),
    Fastify: make,
    logger: { stream },
    websocket,
    websocketOptions,
    serverOptions,
    fastifyJwt,
    secret,
    wsGuard,
    wsHandshake,
    wsHub,
    wsIntrospect,
    wsProxy,
    wsTickets,
    wsTopics,
    jwt,
    handler: () => {},
    denied: new Set(),
    bus: mqemitter(),
    print: (value: unknown) => { printed.push(String(value)) },
    asWorkerOfCluster: () => { t.intercept(cluster, 'isWorker', { value: true, configurable: true }) },
    authority: async (answer: object) => {
      const server = createServer((_request, response) => { response.setHeader('content-type', 'application/json').end(JSON.stringify(answer)) })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      t.teardown(() => { server.close() })
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    },
    connected: async (app: FastifyInstance) => {
      let added: unknown
      app.get('/joined', { websocket: true, config: { wsPublic: true } }, socket => {
        app.wsHub.add(socket, { subject: 'alice' })
        added = socket
      })
      await upgrade(t, app, '/joined')
      return added
    },
    publish: async (app: FastifyInstance, topic: string, data: unknown) => {
      app.get('/topics', { websocket: true, config: { wsPublic: true } }, socket => {
        app.wsHub.add(socket, { subject: 'alice' })
        app.wsTopics.accept(socket)
      })
      await app.ready()
      const socket = await app.injectWS('/topics')
      t.teardown(() => socket.terminate())
      const answered = once(socket, 'message')
      socket.send(JSON.stringify({ type: 'topic:publish', id: '1', topic, data }))
      await answered
    },
    upgrade: async (app: FastifyInstance, path: string, headers = {}) => await upgrade(t, app, path, headers)
  }
  try {
    // A scope of its own: most blocks make an app.
    await new AsyncFunction(...Object.keys(context), `{\n${code}\n}`)(...Object.values(context))
    for (const each of apps) await each.ready()
  } catch (error) {
    const { code, name, message } = error as Error & { code?: string }
    return { kind: 'throws', text: `${code ?? name}: ${message}` }
  }
  if (printed.length === 0 || warnings.length > 0) return { kind: 'warns', text: warnings.join('\n') }
  const text = printed.join('\n')
  return { kind: /^(?:\d{3}|close) /.test(text) ? 'is refused' : 'is documented', text }
}

interface ClientOptions {
  protocols?: string[]
  origin?: string
  headers?: Record<string, string>
  /** Messages, after which the client waits for the end. Without them, it leaves when the connection is open. */
  send?: Array<string | object>
}

/** What a client of `/ws` sees: the answer to a refused upgrade, or the close frame. */
async function client (t: Test, app: FastifyInstance, { protocols = [], origin, headers = {}, send }: ClientOptions = {}): Promise<string> {
  if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, protocols, { headers, ...origin !== undefined && { origin } })
  t.teardown(() => socket.terminate())
  return await new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('unexpected-response', (_request, response) => {
      text(response).then(body => {
        const { statusCode, code, message } = JSON.parse(body)
        resolve(`${statusCode} ${code}: ${message}`)
      }, reject)
    })
    socket.on('open', () => {
      if (send === undefined) resolve('101')
      // It may be closed while it sends.
      for (const message of send ?? []) socket.send(typeof message === 'string' ? message : JSON.stringify(message), () => {})
    })
    socket.on('close', (code, reason) => resolve(`close ${code} ${String(reason)}`.trim()))
  })
}

async function upgrade (t: Test, app: FastifyInstance, path: string, headers: Record<string, string> = {}): Promise<void> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
  t.teardown(() => client.terminate())
  client.on('error', () => {})
  await Promise.race([once(client, 'open'), once(client, 'unexpected-response')])
}

function sections (): Section[] {
  return document.split(/^### /m).slice(1).map(section => {
    const [title = ''] = section.split('\n', 1)
    const [, code = '', text = ''] = /```js\n([^]*?)\n```\n\n```text\n([^]*?)\n```/.exec(section) ?? []
    return { title, code, text }
  })
}

function rows (): Row[] {
  return [...document.matchAll(/^\| \[(.+?)\]\(#(.+?)\) \| (.+?) \| (?:`(.+?)` )?\|$/gm)]
    .map(([, title = '', anchor = '', happens = '', code = '']) => ({ title, anchor, happens, code }))
}

t.test('each mistake of the table has a section, and each section a row', async t => {
  t.same(rows().map(({ title }) => title), sections().map(({ title }) => title))
  for (const { title, anchor } of rows()) t.equal(anchor, title.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-'))
  t.ok(rows().length > 30)
})

t.test('each mistake says what the document says', async t => {
  const table = new Map(rows().map(row => [row.title, row]))
  for (const { title, code, text } of sections()) {
    await t.test(title, async t => {
      const outcome = await run(t, code)
      if (process.env.PRINT !== undefined) console.error(JSON.stringify([title, outcome]))
      t.equal(outcome.text, text)
      t.not(text, '', 'nothing is silent')
      const { happens, code: named } = table.get(title) as Row
      t.ok(happens.startsWith(outcome.kind), `${happens}, and it ${outcome.kind}`)
      t.ok(text.startsWith(named))
    })
  }
})

t.test('the quick start is not warned of', async t => {
  const route = "app.get('/ws', { websocket: true, preValidation: app.wsGuard({ allowedOrigins: ['https://app.example.com'] }) }, app.wsHandshake(handler))"
  t.same(await run(t, route), { kind: 'warns', text: '' })
})
