import type { WebSocketConstructor } from '@fastify-airlock/client'
import { SUBPROTOCOL } from '@fastify-airlock/protocol'
import { log } from '../log/log.js'
import { askRefusal, attemptId, describeRefusal, type Refusal } from './refusal.js'

/** No close frame. A browser reports refused upgrades and lost connections by this code alone. */
export const NO_CLOSE_FRAME = 1006

/** A browser's WebSocket that logs what it does, and finds out why the server refused it. */
export class LoggedSocket extends WebSocket {
  /** Resolves when the socket has closed: with the reason if the upgrade was refused, otherwise with `null`. */
  readonly refusal: Promise<Refusal | null>
  readonly #lane: string
  #isCut = false

  /** @param lane its name in the log */
  constructor (url: string | URL, protocols: string[], lane: string) {
    const attempt = attemptId()
    const target = new URL(url, location.href)
    const shown = `${target.pathname}${target.search}`
    target.protocol = target.protocol.replace('http', 'ws')
    target.searchParams.set('attempt', attempt)
    super(target, protocols)
    this.#lane = lane

    // The first listener: of a socket that was cut, everybody has heard.
    this.addEventListener('close', event => { if (this.#isCut && event.isTrusted) event.stopImmediatePropagation() })
    const offer = protocols.length === 0 ? '' : `, Sec-WebSocket-Protocol: ${protocols.join(', ')}`
    log.event(lane, `upgrade ${shown}${offer}`)
    this.addEventListener('open', () => log.event(lane, `101, connected${this.protocol === '' ? '' : ` (${this.protocol})`}`))
    this.addEventListener('message', ({ data }) => log.message('in', lane, data))
    this.refusal = new Promise(resolve => {
      let opened = false
      this.addEventListener('open', () => { opened = true })
      this.addEventListener('close', async ({ code, reason }) => {
        const refusal = opened || code !== NO_CLOSE_FRAME ? null : await askRefusal(attempt)
        if (refusal !== null) log.bad(lane, `upgrade refused: ${describeRefusal(refusal)}`)
        else log[code === 1000 ? 'event' : 'bad'](lane, `closed: ${describeClose(code, reason)}`)
        resolve(refusal)
      })
    })
  }

  /**
   * Ends it as a lost network does, as far as its owner can tell: nothing comes any more, and there was no close frame. A page can
   * only close the connection, so the server hears of it.
   */
  cut (): void {
    if (this.#isCut || this.readyState === WebSocket.CLOSED) return
    this.#isCut = true
    this.close()
    this.dispatchEvent(new CloseEvent('close', { code: NO_CLOSE_FRAME }))
  }

  override send (data: string | ArrayBuffer | Blob | ArrayBufferView<ArrayBuffer>): void {
    log.message('out', this.#lane, data)
    super.send(data)
  }
}

/** What happens to sockets of {@link loggedWebSocket}. */
export interface SocketWatcher {
  /** Receives the reason for a refused upgrade. */
  onRefused?: (refusal: Refusal) => void
  /** Receives each socket. */
  onCreated?: (socket: LoggedSocket) => void
}

/** Creates a WebSocket constructor for the client. Its sockets write to one lane of the log. */
export function loggedWebSocket (lane: string, { onRefused, onCreated }: SocketWatcher = {}): WebSocketConstructor {
  return class extends LoggedSocket {
    constructor (url: string, protocols: string[] = [SUBPROTOCOL]) {
      super(url, protocols, lane)
      this.refusal.then(refusal => { if (refusal !== null) onRefused?.(refusal) })
      onCreated?.(this)
    }
  }
}

/** Describes a close in a line. */
export function describeClose (code: number, reason: string): string {
  if (code === NO_CLOSE_FRAME) return `${code}, without a close frame`
  return reason === '' ? String(code) : `${code}, ${reason}`
}
