import type { SignsOfLife } from '@fastify-airlock/core'
import type { IncomingMessage } from 'node:http'
import type { WebSocketServer } from 'ws'

const kSigns = Symbol('airlock.signs')

interface WithSigns extends IncomingMessage {
  [kSigns]?: SignsOfLife
}

/** Has the connection that this upgrade becomes sent signs of life. */
export function wantSigns (request: IncomingMessage, signs: SignsOfLife): void {
  (request as WithSigns)[kSigns] = signs
}

/** Begins with them as soon as a connection opens. */
export function sendSigns (server: WebSocketServer): void {
  server.on('connection', (socket, request: WithSigns) => { request[kSigns]?.watch(socket, request.socket) })
}
