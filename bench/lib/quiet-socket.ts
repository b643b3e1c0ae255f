import type { FastifyInstance } from 'fastify'
import { EventEmitter } from 'node:events'
import type { WebSocket } from 'ws'

/** A connection without a network: what is measured is the hub and the topics. */
export class QuietSocket extends EventEmitter {
  readonly OPEN = 1
  readonly extensions = ''
  readonly readyState = 1
  readonly bufferedAmount = 0
  sent = 0

  send (): void {
    this.sent++
  }

  close (): void {
    this.emit('close')
  }

  terminate (): void {}

  /** Asks for a topic, as a client does. */
  ask (topic: string, since?: object): void {
    this.emit('message', Buffer.from(JSON.stringify({ type: 'topic:subscribe', topics: [{ topic, since }] })), false)
  }
}

/** Adds it to the hub, with topics. */
export function enter (app: FastifyInstance, socket: QuietSocket): void {
  app.wsHub.add(socket as unknown as WebSocket, { subject: 'user' } as never)
  app.wsTopics.accept(socket as unknown as WebSocket)
}
