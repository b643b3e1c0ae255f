import type { FastifyInstance } from 'fastify'
import { createHmac, randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config.js'

/** The demo's secret, so that tests can sign tokens too. */
export const SECRET = 'a secret of the tests that is long enough'

/** A minimal page, so that tests need no build. */
export const PAGE = fileURLToPath(new URL('fixtures/page/', import.meta.url))

/** Builds the app and keeps its log. */
export async function build (t: Test, environment: NodeJS.ProcessEnv = {}, page = PAGE) {
  const lines: string[] = []
  const config = loadConfig({ JWT_SECRET: SECRET, LOG_LEVEL: 'warn', ...environment })
  const app = await buildApp(config, { logStream: { write: line => { lines.push(line) } }, page })
  t.teardown(() => app.close())
  return { app, lines }
}

/** Starts the app on a free port. */
export async function listen (t: Test, environment: NodeJS.ProcessEnv = {}) {
  const { app, lines } = await build(t, environment)
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, lines, origin: `http://127.0.0.1:${portOf(app)}` }
}

export function portOf (app: FastifyInstance): number {
  return (app.server.address() as AddressInfo).port
}

export const passwords = { alice: 'wonderland', bob: 'builder', admin: 'admin' }

/** Sends an HTTP request over the network. */
export async function http (method: string, url: string, { token, json, headers = {} }: { token?: string, json?: unknown, headers?: Record<string, string> } = {}) {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...headers
    },
    ...(json !== undefined && { body: JSON.stringify(json) })
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) }
}

export async function login (origin: string, username: keyof typeof passwords): Promise<string> {
  const { body } = await http('POST', `${origin}/login`, { json: { username, password: passwords[username] } })
  return body.token
}

export async function getTicket (origin: string, token: string): Promise<string> {
  const { body } = await http('POST', `${origin}/ws/ticket`, { token })
  return body.ticket
}

/** A client that keeps messages until the test asks for them. */
export class Client {
  readonly socket: WebSocket
  /** The status of the upgrade, 101 if it succeeded, and the JSON of a refusal. */
  readonly upgraded: Promise<{ status: number, body?: any }>
  /** Code and reason of the close. */
  readonly closed: Promise<{ code: number, reason: string }>
  readonly #received: string[] = []
  #wake = () => {}

  constructor (t: Test, origin: string, path: string, protocols: string[] = [], options: ClientOptions = {}) {
    this.socket = new WebSocket(origin.replace('http', 'ws') + path, protocols, options)
    t.teardown(() => this.socket.terminate())
    this.socket.on('error', () => {})
    this.socket.on('message', data => {
      this.#received.push(data.toString())
      this.#wake()
    })
    this.upgraded = new Promise(resolve => {
      this.socket.once('open', () => resolve({ status: 101 }))
      this.socket.once('unexpected-response', async (request, response) => {
        let text = ''
        for await (const chunk of response) text += chunk
        request.destroy()
        this.socket.terminate()
        resolve({ status: response.statusCode as number, body: JSON.parse(text) })
      })
    })
    this.closed = new Promise(resolve => {
      this.socket.once('close', (code, reason) => {
        this.#wake()
        resolve({ code, reason: String(reason) })
      })
    })
  }

  send (message: unknown) {
    this.socket.send(typeof message === 'string' || message instanceof Buffer ? message : JSON.stringify(message))
  }

  /** The text of the next message. */
  async nextText (): Promise<string> {
    while (this.#received.length === 0) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('closed, and nothing left to read')
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
    return this.#received.shift() as string
  }

  /** The next message of a type; those of other types before it are dropped. */
  async next (type: string): Promise<any> {
    for (;;) {
      const message = JSON.parse(await this.nextText())
      if (message.type === type) return message
    }
  }

  /** Types of the messages that the test has not asked for yet. */
  get pending (): string[] {
    return this.#received.map(text => JSON.parse(text).type)
  }
}

/** Opens a socket with a ticket, as a subprotocol, and does not authenticate. */
export async function enter (t: Test, origin: string, token: string, path = '/ws/demo'): Promise<Client> {
  const client = new Client(t, origin, path, ['airlock.v1', `ticket.${await getTicket(origin, token)}`])
  await client.upgraded
  return client
}

/** Opens a socket with a ticket and authenticates. */
export async function pass (t: Test, origin: string, token: string, path = '/ws/demo'): Promise<Client> {
  const client = await enter(t, origin, token, path)
  client.send({ type: 'auth', token })
  await client.next('auth_ok')
  return client
}

/**
 * A kiosk, as the page has it: it asks for topics, and subscribes to the resets. `answer` is what the server says of it.
 *
 * @param since where it stood when it left
 */
export async function kiosk (t: Test, origin: string, token: string, since?: object): Promise<Client & { answer: any }> {
  const client = await enter(t, origin, token, '/ws/kiosk')
  client.send({ type: 'auth', token, topics: true })
  await client.next('auth_ok')
  client.send({ type: 'topic:subscribe', topics: [{ topic: 'kiosk/reset', since }] })
  return Object.assign(client, { answer: await client.next('topic:subscribed') })
}

/** A JWT with any claims, signed as the app does it. */
export function sign (claims: object, seconds = 60): string {
  return foreignToken({ jti: randomUUID(), exp: Math.floor(Date.now() / 1000) + seconds, ...claims })
}

/** A JWT of another issuer that knows the secret. */
export function foreignToken (claims: object, { secret = SECRET, bits = 256 } = {}): string {
  const text = [{ alg: `HS${bits}`, typ: 'JWT' }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac(`sha${bits}`, secret).update(text).digest('base64url')}`
}
