import { Store } from '../ui/store.js'

/** A socket that can be cut. */
export interface Cuttable {
  cut (): void
  addEventListener (event: 'close', listener: () => void): void
}

/** The network of a kiosk, as its connection sees it: it can be cut, and stays cut until it is mended. */
export class Network {
  readonly isCut = new Store(false)
  readonly #sockets = new Set<Cuttable>()

  /** Cuts all sockets. */
  cut (): void {
    this.isCut.set(true)
    for (const socket of [...this.#sockets]) socket.cut()
  }

  /** Lets sockets and requests through again. */
  mend (): void {
    this.isCut.set(false)
  }

  /** A socket was created. */
  add (socket: Cuttable): void {
    this.#sockets.add(socket)
    socket.addEventListener('close', () => { this.#sockets.delete(socket) })
    // It was asked for before the cut.
    if (this.isCut.get()) queueMicrotask(() => { socket.cut() })
  }

  /** Throws what `fetch` throws without a network. */
  check (): void {
    if (this.isCut.get()) throw new TypeError('The network is cut')
  }
}
