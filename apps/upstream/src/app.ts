import websocket, { type WebSocket } from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { createHash, timingSafeEqual } from 'node:crypto'
import type { UpstreamConfig } from './config.js'
import { InvalidKey } from './errors.js'

export { loadConfig, type UpstreamConfig } from './config.js'

/** Most messages that one `push` command gets. */
const MAX_PUSH = 1_000

/** Options of {@link buildUpstream} that are not part of the configuration. */
export interface BuildOptions {
  /**
   * Where log lines go.
   * @default standard output
   */
  logStream?: { write (line: string): void }
}

/**
 * Builds the server, ready for `listen` or `inject`. It answers nobody without the key and knows no users: the kind of
 * system that a proxy stands in front of.
 */
export async function buildUpstream (
  { token, logLevel }: Pick<UpstreamConfig, 'token' | 'logLevel'>,
  { logStream }: BuildOptions = {}
): Promise<FastifyInstance> {
  const app = Fastify({ logger: { level: logLevel, ...(logStream !== undefined && { stream: logStream }) } })
  const expected = digest(token)
  const sockets = new Set<WebSocket>()

  await app.register(websocket, websocketOptions())
  // After the WebSocket plugin, which closes the sockets of refused upgrades.
  app.addHook('onRequest', async request => {
    if (!timingSafeEqual(digest(String(request.headers['x-api-key'])), expected)) throw new InvalidKey()
  })

  app.get('/hello', async request => ({ hello: 'from the upstream', headers: headerNames(request) }))

  app.post<{ Body: { message: string } }>('/push', {
    schema: { body: { type: 'object', required: ['message'], properties: { message: { type: 'string' } } } }
  }, async ({ body }) => {
    for (const socket of sockets) socket.send(body.message)
    return { sent: sockets.size }
  })

  app.get('/ws', { websocket: true }, (socket, request) => {
    sockets.add(socket)
    socket.on('close', () => { sockets.delete(socket) })
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      const command = isBinary ? null : parseCommand(data.toString())
      if (command === null) socket.send(data, { binary: isBinary })
      else if (command.type === 'headers') socket.send(JSON.stringify({ type: 'headers', headers: headerNames(request) }))
      else for (let n = 1; n <= command.count; n++) socket.send(JSON.stringify({ type: 'push', n }))
    })
  })
  return app
}

/** The names of the headers that arrived, without the values, which may be secrets. */
function headerNames (request: FastifyRequest): string[] {
  return Object.keys(request.headers).sort()
}

type Command = { type: 'headers' } | { type: 'push', count: number }

function parseCommand (text: string): Command | null {
  try {
    const { type, count } = JSON.parse(text)
    if (type === 'headers') return { type }
    return type === 'push' && Number.isInteger(count) ? { type, count: Math.min(count, MAX_PUSH) } : null
  } catch {
    return null
  }
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
