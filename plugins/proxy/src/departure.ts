import { bytesTaken } from '@fastify-airlock/core'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Deadline, ProxyContext } from './context.js'

/**
 * A side that has ended its half of the TCP connection. `ws` ends the other half behind what still waits for the side, and
 * closes when that is done: never, if the side does not read. So it is cut as soon as it takes nothing for `closeTimeout`.
 */
export class Departure implements Deadline {
  due = 0
  readonly #socket: WebSocket
  readonly #transport: Socket
  readonly #context: Pick<ProxyContext, 'shared' | 'closeTimeout'>
  /** What it had taken at the last look. */
  #taken: number

  constructor (socket: WebSocket, transport: Socket, context: Pick<ProxyContext, 'shared' | 'closeTimeout'>) {
    this.#socket = socket
    this.#transport = transport
    this.#context = context
    this.#taken = bytesTaken(transport)
  }

  /** Begins to look. */
  start (): void {
    this.#context.shared.sweep.set(this, this.#context.closeTimeout)
  }

  expire (): void {
    const taken = bytesTaken(this.#transport)
    if (this.#transport.destroyed) return
    if (taken === this.#taken) return this.#socket.terminate()
    this.#taken = taken
    this.start()
  }
}
