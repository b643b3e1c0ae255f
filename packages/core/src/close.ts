import { CLOSE_TIMEOUT_MS, truncateReason } from '@fastify-airlock/protocol'
import { Sweep, type Sweepable } from './sweep.js'

/** The part of a `ws` WebSocket that closing needs. */
export interface Closable {
  close (code?: number, reason?: string): void
  terminate (): void
}

interface Closing extends Sweepable {
  socket: Closable
}

/**
 * Closes sockets reliably: sends code and reason, then calls `terminate()` when the peer has not answered in time.
 * `ws` alone waits 30 s for a mute peer, and never sends a close frame that is stuck behind a full pipe.
 */
export class Closer {
  readonly #timeout: number
  readonly #sweep: Sweep<Closing>

  /**
   * @param timeout time the peer has to answer the close frame, in milliseconds
   * @default timeout 2000
   */
  constructor (timeout: number = CLOSE_TIMEOUT_MS) {
    this.#timeout = timeout
    // Terminating a closed socket does nothing, so no 'close' listener is needed.
    this.#sweep = new Sweep(({ socket }) => socket.terminate())
  }

  /**
   * @param code a close code that an application may send: 1000, 1001, 1007 to 1014 or 3000 to 4999
   * @param reason cut to 123 bytes
   */
  close (socket: Closable, code: number, reason: string): void {
    socket.close(code, truncateReason(reason))
    this.#sweep.set({ socket, due: 0 }, this.#timeout)
  }
}
