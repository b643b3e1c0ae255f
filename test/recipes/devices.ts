import fastifyJwt from '@fastify/jwt'
import websocket from '@fastify/websocket'
import { connectTopics } from '@fastify-airlock/client/topics'
import { websocketOptions } from '@fastify-airlock/core'
import wsGuard from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsTickets, { MemoryStore, type TicketStore } from '@fastify-airlock/ticket'
import Fastify, { type FastifyInstance } from 'fastify'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket } from 'ws'

/** Fails unless the document has exactly the code of these files, in this order. */
export async function hasCode (t: Test, document: string, ...files: string[]): Promise<void> {
  const text = await readFile(new URL(`../../docs/recipes/${document}.md`, import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code)
  t.same(blocks, await Promise.all(files.map(async file => await readFile(new URL(file, import.meta.url), 'utf8'))))
}

/**
 * A listening node with the plugins that a recipe takes for granted, and the recipe.
 *
 * @param register what the recipe adds
 */
export async function startNode<T> (t: Test, register: (app: FastifyInstance) => Promise<T>, store: TicketStore = new MemoryStore()) {
  const app: FastifyInstance = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(websocket, websocketOptions())
  await app.register(wsGuard)
  await app.register(fastifyJwt, { secret: 'a secret for tests that is long enough' })
  await app.register(wsTickets, { store })
  await app.register(wsHandshake)
  const recipe = await register(app)
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(() => {}))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, recipe, host: `127.0.0.1:${(app.server.address() as AddressInfo).port}` }
}

/** A device of a user, whose network can be cut. */
export function device (t: Test, { app, host }: { app: FastifyInstance, host: string }, subject: string) {
  const token = app.jwt.sign({ sub: subject }, { expiresIn: '1h' })
  const request = async (path: string, options: RequestInit = {}): Promise<Response> =>
    await fetch(`http://${host}${path}`, { ...options, headers: { authorization: `Bearer ${token}` } })
  let isCut = false
  let socket: WebSocket | undefined
  const connection = connectTopics({
    url: `ws://${host}/ws`,
    getTicket: async ({ signal }) => {
      if (isCut) throw new TypeError('no network')
      return await request('/ws/ticket', { method: 'POST', signal })
    },
    getToken: () => token,
    reconnect: { min: 1, max: 20 },
    WebSocket: class extends WebSocket {
      constructor (url: string, protocols?: string[]) {
        super(url, protocols, { perMessageDeflate: false })
        socket = this
      }
    } as never
  })
  t.teardown(() => { connection.close() })
  return {
    connection,
    request,
    cut (): void {
      isCut = true
      socket?.terminate()
    },
    mend (): void { isCut = false }
  }
}
