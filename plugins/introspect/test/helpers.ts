import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buildAuthority, demoClient, TokenStore } from '@fastify-airlock/authority'
import { websocketOptions } from '@fastify-airlock/core'
import { freePort } from '@fastify-airlock/test-servers'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'
import wsIntrospect, { type WsIntrospectOptions } from '../src/index.js'
import { createStats } from '../src/stats.js'

export { until } from '../../../test/time.js'

export const credentials = { clientId: demoClient.id, clientSecret: demoClient.secret }

/** Starts a real authority. It keeps its port and its tokens when it is stopped and started again. */
export async function startAuthority (t: Test) {
  const store = new TokenStore()
  let app: FastifyInstance
  const port = await freePort()
  const authority = {
    /** Number of questions that have arrived. */
    asked: 0,
    store,
    endpoint: `http://127.0.0.1:${port}/introspect`,
    async start () {
      app = await buildAuthority({ client: demoClient, tokenTtl: 900, logLevel: 'silent' }, { store })
      app.addHook('onRequest', async ({ url }) => { if (url === '/introspect') authority.asked++ })
      await app.listen({ host: '127.0.0.1', port })
    },
    async stop () {
      app.server.closeAllConnections()
      await app.close()
    },
    issue: (sub = 'alice', seconds = 900) => store.issue(sub, 'chat', seconds).token
  }
  await authority.start()
  t.teardown(() => authority.stop())
  return authority
}

export interface Question {
  headers: IncomingMessage['headers']
  url: string
  body: string
}

/** Starts a server that answers as the test wants; by default it never does. */
export async function startRogue (
  t: Test, answer: (response: ServerResponse, question: Question) => void = () => {}, create: (listener: http.RequestListener) => http.Server = http.createServer
) {
  const questions: Question[] = []
  const server = create((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', chunk => { body += chunk }).on('end', () => {
      const question = { headers: request.headers, url: request.url as string, body }
      questions.push(question)
      answer(response, question)
    })
  })
  let connections = 0
  server.on('connection', () => { connections++ })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { server, port, questions, endpoint: `http://127.0.0.1:${port}/introspect`, connections: () => connections }
}

export const json = (body: unknown) => (response: ServerResponse): void => {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

/**
 * Makes an app with `GET /me` behind `authenticate`; `lines` are those that it logs. Its questions have more time than
 * any machine needs; only a test of the deadline sets a shorter one.
 */
export async function build (t: Test, options: WsIntrospectOptions) {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions({ closeTimeout: 30_000 }))
  await app.register(wsIntrospect, { timeout: 30_000, ...options })
  app.get('/me', { preHandler: app.wsIntrospect.authenticate }, async request => request.wsIdentity)
  const me = async (token?: string) => {
    const { statusCode: status, headers, body } = await app.inject({
      url: '/me', headers: token === undefined ? {} : { authorization: `Bearer ${token}` }
    })
    return { status, headers, body: JSON.parse(body) }
  }
  return { app, lines, me }
}

export async function listen (app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** Makes a client of a route on `127.0.0.1`. */
export function connect (t: Test, port: number, path: string, protocols: string[] = [], options: ClientOptions = {}) {
  const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options)
  t.teardown(() => client.terminate())
  client.on('error', () => {})
  return {
    client,
    closed: new Promise<{ code: number, reason: string }>(resolve => {
      client.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
    }),
    /** The refusal of the upgrade. */
    refused: new Promise<{ status: number, headers: IncomingMessage['headers'], code: string }>(resolve => {
      client.once('unexpected-response', async (request, response) => {
        let text = ''
        for await (const chunk of response) text += chunk
        request.destroy()
        resolve({ status: response.statusCode as number, headers: response.headers, code: JSON.parse(text).code })
      })
    })
  }
}

export { createStats }

/** Makes a log that keeps its lines. */
export function fakeLog () {
  const entries: Array<{ level: string, text: string, err?: unknown }> = []
  return {
    entries,
    error: (object: { err: unknown }, text: string) => { entries.push({ level: 'error', text, err: object.err }) },
    info: (text: string) => { entries.push({ level: 'info', text }) }
  }
}
