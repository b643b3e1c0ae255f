import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { WSA_TESTING_ERR_KILLED } from './errors.js'
import type { Reach, TestApp, Ways } from './reach.js'

/** The connections of one server, and how they end. */
export class Lines {
  readonly #app: TestApp
  /** Sockets of devices. */
  readonly #near = new Set<WebSocket>()
  /** The ends that the server has. */
  readonly #far = new Set<Duplex>()
  /** Rejects when the server is cut off. */
  readonly #lost: Promise<never>
  #lose!: () => void
  #isLost = false

  constructor (app: TestApp) {
    this.#app = app
    this.#lost = new Promise((_resolve, reject) => { this.#lose = () => reject(new WSA_TESTING_ERR_KILLED('No answer')) })
    this.#lost.catch(() => {})
    const server = app.server as { on (event: 'connection', listener: (socket: Duplex) => void): unknown }
    server.on('connection', socket => {
      if (this.#isLost) return socket.destroy()
      this.#far.add(socket)
      socket.once('close', () => this.#far.delete(socket))
    })
  }

  of (ways: Ways): Reach {
    return {
      ...ways,
      fetch: async (path, request) => await Promise.race([this.#lost, ...this.#isLost ? [] : [ways.fetch(path, request)]]),
      hold: socket => {
        this.#near.add(socket)
        socket.once('close', () => this.#near.delete(socket))
      },
      drop: async () => await this.#drop(),
      cut: async () => {
        this.#isLost = true
        this.#lose()
        const dropped = this.#drop()
        for (const socket of this.#far) socket.destroy()
        // Those of `injectWS` have no end that the server has seen.
        const { websocketServer } = this.#app as { websocketServer?: { clients: Set<WebSocket> } }
        for (const socket of websocketServer?.clients ?? []) socket.terminate()
        await dropped
      }
    }
  }

  async #drop (): Promise<void> {
    await Promise.all([...this.#near].map(async socket => {
      const closed = new Promise(resolve => socket.once('close', resolve))
      socket.terminate()
      await closed
    }))
  }
}
