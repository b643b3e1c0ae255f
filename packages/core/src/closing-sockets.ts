import type { WebSocket } from 'ws'
import { began, type Closable, Closer, isTaken } from './close.js'
import { canProlongClose, isAnswer, mayBePeers } from './internals.js'
import { noteEnding } from './trail.js'

/** What a close frame without a code counts as (RFC 6455, section 7.4.1). */
const NO_CODE = 1005

type WebSocketClass = typeof WebSocket

/** What {@link closingSockets} makes. */
export interface ClosingSockets {
  /** For the option `WebSocket` of a `ws` server, which is documented. */
  sockets: WebSocketClass
  /** For its option `closeTimeout`. */
  timeout: number
}

/**
 * Makes a class of sockets whose `close()`, called by the application or by `ws` to answer the peer's, leaves what was
 * sent before it the time to go out, as a {@link Closer} does. Once this side has called it, no listener hears the peer's
 * messages any more, as in a browser.
 *
 * A close with nothing before it is left to the timer of `ws`, so that it costs nothing.
 */
export function closingSockets (Base: WebSocketClass, closeTimeout: number, flushTimeout: number): ClosingSockets {
  const closer = new Closer(closeTimeout, flushTimeout)
  const prolongs = canProlongClose(Base)
  const sockets = class extends Base {
    override close (code?: number, data?: string | Buffer): void {
      if (this.readyState !== this.OPEN || isTaken(this as Closable)) return super.close(code, data)
      const heard = isAnswer(this)
      if (prolongs && this.bufferedAmount === 0) {
        super.close(code, data)
        began(this as Closable, heard)
      } else {
        closer.take(this as Closable, () => super.close(code, data), { heard })
      }
      if (!heard && !mayBePeers(data)) noteEnding(this, code ?? NO_CODE, data)
    }
  }
  return { sockets, timeout: prolongs ? closeTimeout : closeTimeout + flushTimeout }
}
