import { Duplex } from 'node:stream'

/**
 * One end of a connection in memory that behaves as a TCP connection does: what is written arrives later and never within the call, each side
 * may end by itself, and what was sent before an end still arrives.
 */
class End extends Duplex {
  #other!: End
  /** Called when this end wants more. */
  #taken: (() => void) | null = null
  #ended = false

  static pair (): [near: End, far: End] {
    const [near, far] = [new End(), new End()]
    near.#other = far
    far.#other = near
    return [near, far]
  }

  override _read (): void {
    const taken = this.#taken
    this.#taken = null
    taken?.()
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // Within the call, `ws` would get the answer to its close frame before it knows that it has sent one.
    process.nextTick(() => this.#other.#take(chunk, done))
  }

  override _final (done: () => void): void {
    process.nextTick(() => {
      this.#other.#end()
      done()
    })
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    done(error)
    process.nextTick(() => this.#other.#lose())
  }

  #take (chunk: Buffer, done: () => void): void {
    // Nobody reads it, or there is nothing to read.
    if (this.#ended || this.destroyed || chunk.length === 0) return done()
    this.#taken = done
    this.push(chunk)
  }

  #end (): void {
    if (this.#ended || this.destroyed) return
    this.#ended = true
    this.push(null)
  }

  /** The other end is gone: there is nobody whom an answer could reach. */
  #lose (): void {
    if (this.readableEnded) {
      this.destroy()
      return
    }
    this.once('end', () => this.destroy())
    this.#end()
  }
}

/**
 * Connects to a server in this process.
 *
 * @param address where the server sees it come from
 * @returns the end of the client
 */
export function connectInMemory (server: { emit (event: 'connection', socket: Duplex): boolean }, address: string): Duplex {
  const [near, far] = End.pair()
  Object.assign(far, { remoteAddress: address, remoteFamily: address.includes(':') ? 'IPv6' : 'IPv4', remotePort: 0 })
  server.emit('connection', far)
  return near
}
