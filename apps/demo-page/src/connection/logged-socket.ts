import type { WebSocketConstructor } from '@fastify-airlock/client'
import { SUBPROTOCOL } from '@fastify-airlock/protocol'
import { log } from '../log/log.js'
import { askRefusal, attemptId, describeRefusal, type Refusal } from './refusal.js'

/** No close frame came: all that a browser says of a refused upgrade and of a lost connection. */
export const NO_CLOSE_FRAME = 1006

/** A browser's WebSocket that writes all it does to the log, and finds out why it was refused. */
export class LoggedSocket extends WebSocket {
  /** Settles when the socket has closed: with the reason where the upgrade was refused, else with `null`. */
  readonly refusal: Promise<Refusal | null>
  readonly #lane: string

  /** @param lane its name in the log */
  constructor (url: string | URL, protocols: string[], lane: string) {
    const attempt = attemptId()
    const target = new URL(url, location.href)
    const shown = `${target.pathname}${target.search}`
    target.protocol = target.protocol.replace('http', 'ws')
    target.searchParams.set('attempt', attempt)
    super(target, protocols)
    this.#lane = lane

    const offer = protocols.length === 0 ? '' : `, Sec-WebSocket-Protocol: ${protocols.join(', ')}`
    log.event(lane, `upgrade ${shown}${offer}`)
    this.addEventListener('open', () => log.event(lane, `101, the connection is up${this.protocol === '' ? '' : ` (${this.protocol})`}`))
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

  override send (data: string | ArrayBuffer | Blob | ArrayBufferView<ArrayBuffer>): void {
    log.message('out', this.#lane, data)
    super.send(data)
  }
}

/**
 * A constructor for the client: its sockets write to one lane of the log.
 *
 * @param onRefused is told why an upgrade was refused
 */
export function loggedWebSocket (lane: string, onRefused: (refusal: Refusal) => void = () => {}): WebSocketConstructor {
  return class extends LoggedSocket {
    constructor (url: string, protocols: string[] = [SUBPROTOCOL]) {
      super(url, protocols, lane)
      this.refusal.then(refusal => { if (refusal !== null) onRefused(refusal) })
    }
  }
}

/** A close in a line. */
export function describeClose (code: number, reason: string): string {
  if (code === NO_CLOSE_FRAME) return `${code}, without a close frame`
  return reason === '' ? String(code) : `${code}, ${reason}`
}
