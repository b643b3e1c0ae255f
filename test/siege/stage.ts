import airlock, { jwt, MemoryStore, type TicketRecord } from 'fastify-airlock'
import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import type { WebSocket } from 'ws'

/** Longer than any machine takes, in milliseconds. */
const PATIENT = 60_000

/** A store that tells what was taken from it. */
class WatchedStore extends MemoryStore {
  readonly #taken: (hash: string) => void

  constructor (taken: (hash: string) => void) {
    super()
    this.#taken = taken
  }

  override take (hash: string, audience: string, now: number): TicketRecord | null {
    const record = super.take(hash, audience, now)
    if (record !== null) this.#taken(hash)
    return record
  }
}

/** A handler that ran. */
export interface Handled { path: string, subject: string }

/** A real server with every door, on which one client acts at a time, and all that happens on it. */
export class Stage {
  readonly app: FastifyInstance
  readonly secret: string
  /** Hashes of tickets that were redeemed. */
  taken: string[] = []
  handled: Handled[] = []
  log: string[] = []
  ahead = 0
  readonly #sockets = new Set<Socket>()
  #onQuiet: (() => void) | undefined

  private constructor (secret: string) {
    this.secret = secret
    this.app = Fastify({
      logger: { level: 'trace', stream: { write: (line: string) => { this.log.push(line) } } }, requestTimeout: PATIENT, connectionTimeout: PATIENT
    }) as unknown as FastifyInstance
    this.app.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        if (this.#sockets.size === 0) this.#onQuiet?.()
      })
    })
  }

  static async start (secret: string): Promise<Stage> {
    const stage = new Stage(secret)
    const { app } = stage
    await app.register(airlock, {
      jwt: { secret },
      guard: { upgradeTimeout: PATIENT },
      ticket: { store: new WatchedStore(hash => { stage.taken.push(hash) }), now: () => Date.now() + stage.ahead },
      handshake: { authTimeout: PATIENT },
      hub: { maxConnectionsPerSubject: Infinity }
    })
    const handler = (path: string) => (socket: WebSocket, { wsIdentity }: { wsIdentity: { subject: string } }): void => {
      stage.handled.push({ path, subject: wsIdentity.subject })
      app.wsHub.join(socket, 'room')
      socket.send('{"type":"app"}')
      socket.on('message', () => { if (socket.readyState === socket.OPEN) socket.send('{"type":"app"}') })
    }
    app.wsRoute('/both', handler('/both'))
    app.wsRoute('/one', { handshake: false }, handler('/one'))
    app.wsRoute('/jwt', { handshake: false, guard: { authenticate: jwt() } }, handler('/jwt'))
    app.wsRoute('/frame', { guard: false }, handler('/frame'))
    await app.listen({ port: 0, host: '127.0.0.1' })
    return stage
  }

  get port (): number { return (this.app.server.address() as AddressInfo).port }

  /** Sends to all that are in, and so to nobody else. */
  tempt (): void {
    this.app.wsHub.broadcast('{"type":"app"}')
    this.app.wsHub.publish('room', '{"type":"app"}')
  }

  /** Forgets what the client before has done. */
  clear (): void {
    this.taken = []
    this.handled = []
    this.log = []
    this.ahead = 0
  }

  /**
   * Waits until nothing is left of any connection.
   *
   * @param mayTakeDeadline whether that may take as long as an upgrade may
   * @returns what is left after a long time
   */
  async quiet (mayTakeDeadline = false): Promise<string | null> {
    if (this.#sockets.size > 0) {
      const late = AbortSignal.timeout(mayTakeDeadline ? 2 * PATIENT : PATIENT / 2)
      await Promise.race([new Promise<void>(resolve => { this.#onQuiet = resolve }), once(late, 'abort')])
    }
    const { wsGuard, wsHub, websocketServer } = this.app
    const left = { sockets: this.#sockets.size, pending: wsGuard.pending, hub: wsHub.count(), clients: websocketServer.clients.size }
    // The listeners of 'close' are called one after the other.
    for (let turn = 0; turn < 100 && left.sockets === 0 && left.pending + left.hub + left.clients > 0; turn++) {
      await new Promise(resolve => setImmediate(resolve))
      Object.assign(left, { pending: wsGuard.pending, hub: wsHub.count(), clients: websocketServer.clients.size })
    }
    return Object.values(left).every(count => count === 0) ? null : JSON.stringify(left)
  }
}
