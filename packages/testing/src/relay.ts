import { EventEmitter, once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { type AfterTest, afterTest } from './cleanup.js'
import { every, now as realNow } from './real-time.js'

/** From the server to the client, or the other way. */
export type Direction = 'down' | 'up'

/** How often a rate lets bytes pass, in milliseconds. */
const BEAT_MS = 10

/** One direction of one connection: what the relay has read waits in `from` until it may pass. */
class Lane {
  passed = 0
  readonly #from: Socket
  readonly #to: Socket
  readonly #way: Way

  constructor (from: Socket, to: Socket, way: Way) {
    this.#from = from
    this.#to = to
    this.#way = way
    const pump = (): void => this.pump()
    from.on('readable', pump).on('end', () => to.end())
    to.on('drain', pump)
  }

  pump (): void {
    const way = this.#way
    while (!this.#to.writableNeedDrain) {
      const size = Math.min(way.budget, this.#from.readableLength, way.cutAt - this.passed)
      // At the end of the stream there is nothing to pass, and only a read finds the end.
      if (size <= 0 && (this.#from.readableLength > 0 || way.budget <= 0)) return
      const chunk: Buffer | null = this.#from.read(size || undefined)
      if (chunk === null) return
      way.budget -= chunk.length
      this.passed += chunk.length
      way.passed += chunk.length
      this.#to.write(chunk)
      way.events.emit('passed')
      if (this.passed >= way.cutAt) return this.cut()
    }
  }

  /** Breaks the connection on both sides, after what has passed. */
  cut (): void {
    this.#way.lanes.delete(this)
    this.#from.resetAndDestroy()
    this.#to.resetAndDestroy()
  }
}

/** One direction of a relay, for all of its connections. */
export class Way {
  /** Bytes that may pass still. */
  budget = Infinity
  /** Bytes that have passed. */
  passed = 0
  /** Each connection is cut after so many bytes. */
  cutAt = Infinity
  /** Emits `'passed'`. */
  readonly events = new EventEmitter().setMaxListeners(0)
  /** The connections. */
  readonly lanes = new Set<Lane>()
  #stop: () => void = () => {}

  /** Lets so many bytes a second pass, in real time. */
  throttle (rate: number): void {
    this.freeze()
    let last = realNow()
    this.#stop = every(BEAT_MS, () => {
      const now = realNow()
      // What was not used is lost, as on a line; a stall of this process does not count.
      this.budget = rate * Math.min(now - last, 10 * BEAT_MS) / 1_000
      last = now
      this.pump()
    })
  }

  /** Lets nothing pass, not even an end. Resets still come through. */
  freeze (): void {
    this.#stop()
    this.budget = 0
  }

  /** Lets so many bytes pass, and then nothing more. */
  freezeAfter (bytes: number): void {
    this.freeze()
    this.allow(bytes)
  }

  /** Lets everything pass. */
  thaw (): void {
    this.#stop()
    this.budget = Infinity
    this.pump()
  }

  /** Lets so many bytes more pass, whenever they come. */
  allow (bytes: number): void {
    this.budget += bytes
    this.pump()
  }

  /** Breaks each connection after it has passed so many bytes this way. */
  cutAfter (bytes: number): void {
    this.cutAt = bytes
    for (const lane of [...this.lanes]) if (lane.passed >= bytes) lane.cut()
  }

  /** Passes what may pass. */
  pump (): void {
    for (const lane of this.lanes) lane.pump()
  }

  /** Whether everything passes. */
  get flows (): boolean {
    return this.budget === Infinity
  }

  /** Waits until so many bytes have passed. */
  async until (bytes: number): Promise<void> {
    while (this.passed < bytes) await once(this.events, 'passed')
  }
}

/** A TCP relay in front of a port: throttles, freezes and cuts at any byte, each way for itself, and reorders nothing. */
export class Relay implements AsyncDisposable {
  /** From the server to the clients. */
  readonly down = new Way()
  /** From the clients to the server. */
  readonly up = new Way()
  /** Where to connect to, once it listens. */
  port = 0
  readonly #to: number
  readonly #server: net.Server
  readonly #sockets = new Set<Socket>()

  constructor (to: number) {
    this.#to = to
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, near => this.#connect(near))
  }

  /** Open connections, counted once on each side. */
  get size (): number {
    return this.#sockets.size
  }

  /** Whether everything passes, both ways. */
  get flows (): boolean {
    return this.down.flows && this.up.flows
  }

  /** Lets nothing pass, either way: a cable that was pulled. Nobody is told. */
  freeze (): void {
    this.down.freeze()
    this.up.freeze()
  }

  /** Lets everything pass, both ways. */
  thaw (): void {
    this.down.thaw()
    this.up.thaw()
  }

  /** Breaks every connection, on both sides. */
  cut (): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Starts on a free port of this machine. */
  async listen (): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
    return this
  }

  /** Stops, and ends every connection. */
  async close (): Promise<void> {
    this.freeze()
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.close()
  }

  #connect (near: Socket): void {
    const far = net.connect({ port: this.#to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const lanes: Array<[Way, Lane]> = [[this.down, new Lane(far, near, this.down)], [this.up, new Lane(near, far, this.up)]]
    for (const [way, lane] of lanes) way.lanes.add(lane)
    for (const [socket, other] of [[near, far], [far, near]] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => other.resetAndDestroy()).on('close', () => {
        this.#sockets.delete(socket)
        for (const [way, lane] of lanes) way.lanes.delete(lane)
      })
    }
  }
}

/** Starts a relay in front of a port of this machine. It stops after the test, or by `close()`. */
export async function relayTo (port: number, t?: AfterTest): Promise<Relay> {
  const relay = await new Relay(port).listen()
  afterTest(t, () => relay.close())
  return relay
}
