import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'

/** Where connections go. */
export interface Endpoint {
  host: string
  port: number
  /** Name for SNI and the certificate; `null` without TLS. */
  tlsName: string | null
  ca: string | undefined
  /** Whether a certificate that cannot be verified is taken. */
  insecure: boolean
}

/** The head of an answer. */
export interface Head {
  status: number
  /** By name in lower case, in their order. */
  headers: Readonly<Record<string, readonly string[]>>
}

/** A connection, and what has come on it. */
export class Connection {
  readonly socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #ended = false
  #wakers = new Set<() => void>()

  constructor (socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake()
    })
    // What matters of an error is that the connection is over, which 'close' says.
    socket.on('error', () => {})
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
  }

  /** Whether nothing more will come. */
  get ended (): boolean {
    return this.#ended
  }

  /** What has come and was not taken yet. */
  get bytes (): Buffer {
    return this.#bytes
  }

  /** Takes bytes from the front. */
  take (count: number): Buffer {
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken
  }

  write (bytes: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes)
  }

  /** Calls back whenever something has come, and at the end. */
  watch (listener: () => void): void {
    this.#wakers.add(listener)
  }

  /**
   * Waits until `look` finds something.
   *
   * @param ms how long
   * @returns `undefined` when it has found nothing by the end of the connection, or of the time
   */
  async until <T>(look: () => T | undefined, ms: number): Promise<T | undefined> {
    const found = look()
    if (found !== undefined || this.#ended) return found
    return await new Promise(resolve => {
      const done = (found: T | undefined): void => {
        clearTimeout(timer)
        this.#wakers.delete(wake)
        resolve(found)
      }
      const wake = (): void => {
        const found = look()
        if (found !== undefined || this.#ended) done(found)
      }
      const timer = setTimeout(() => done(undefined), ms)
      this.#wakers.add(wake)
    })
  }

  /** Reads the head of an answer; `undefined` when none comes. */
  async head (ms: number): Promise<Head | undefined> {
    return await this.until(() => {
      const end = this.#bytes.indexOf('\r\n\r\n')
      if (end === -1) return undefined
      return parseHead(this.take(end + 4).toString('latin1'))
    }, ms)
  }

  /** Reads the body of an answer, as far as it comes in this time. */
  async body ({ headers }: Head, ms: number): Promise<string> {
    const [length] = headers['content-length'] ?? []
    const whole = (): true | undefined => {
      if (length !== undefined) return this.#bytes.length >= Number(length) ? true : undefined
      return headers['transfer-encoding'] !== undefined && this.#bytes.includes('0\r\n\r\n') ? true : undefined
    }
    await this.until(whole, ms)
    return this.take(this.#bytes.length).toString()
  }

  /** Waits for the end of the connection. */
  async end (ms: number): Promise<boolean> {
    await this.until(() => undefined, ms)
    return this.#ended
  }

  #end (): void {
    this.#ended = true
    this.#wake()
  }

  #wake (): void {
    for (const wake of [...this.#wakers]) wake()
  }
}

/** Reads the head of an HTTP answer. */
export function parseHead (text: string): Head {
  const [first = '', ...lines] = text.trimEnd().split('\r\n')
  const headers: Record<string, string[]> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    ;(headers[name] ??= []).push(line.slice(colon + 1).trim())
  }
  return { status: Number(first.split(' ')[1] ?? 0), headers }
}

/**
 * Opens a connection.
 *
 * @param ms how long the server has to take it
 * @param more what is unusual of the TLS handshake
 * @throws the error of `node:net` or `node:tls`
 */
export async function dial ({ host, port, tlsName, ca, insecure }: Endpoint, ms: number, more: ConnectionOptions = {}): Promise<Socket> {
  const socket = tlsName === null
    ? connectTcp({ host, port })
    : connectTls({
      host,
      port,
      // An address is no server name (RFC 6066, section 3).
      ...(isIP(tlsName) === 0 && { servername: tlsName }),
      ca,
      rejectUnauthorized: !insecure,
      ALPNProtocols: ['http/1.1'],
      ...more
    })
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${ms} ms`)), ms)
    socket.once(tlsName === null ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.once('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('close', () => reject(new Error('the connection was closed before it was open')))
  })
  return socket
}

/** The certificate check of an open TLS connection: `null` if it holds. */
export function certificateProblem (socket: Socket): string | null {
  const { authorized, authorizationError } = socket as TLSSocket
  return authorized ? null : String(authorizationError)
}
