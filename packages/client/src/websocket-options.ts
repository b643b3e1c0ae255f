import type { CloseMap } from './close-maps.js'
import type { AirlockError } from './errors.js'
import type { ConnectOptions } from './options.js'

/** Options of {@link createWebSocketClass}. Those of `connect` of the same names mean the same. */
export interface WebSocketClassOptions extends Pick<ConnectOptions,
  'getTicket' | 'getToken' | 'carrier' | 'ticketName' | 'finalCodes' | 'timeout' | 'alive' | 'maxAuthBytes' | 'WebSocket' | 'random'> {
  /**
   * Subprotocols to offer when the library offers none. The library is not told which one was selected.
   * @default the `protocol` of the ticket's reply, else 'airlock.v1'
   */
  protocols?: readonly string[] | undefined
  /**
   * With which close code the library is told how a socket ended: one of {@link closeMaps}, or a function of yours. When that
   * throws, or returns no code from 1000 to 4999 or a reason that is no string, the default takes its place, and the error
   * (`WSA_CLIENT_ERR_OPTIONS` for what it returns) is reported as uncaught.
   * @default closeMaps.any
   */
  mapClose?: CloseMap | undefined
  /**
   * How long the next attempt for a URL waits after one that failed, whenever the library makes it; in milliseconds, as in
   * `connect`. A wait that the server asks for is kept as well.
   * @default { min: 1000, max: 30000 }
   */
  reconnect?: { min?: number, max?: number } | undefined
  /**
   * Is told how each socket ended that the library has not closed, and of each refresh that failed. After an error with
   * `final: true`, no socket of the class for that URL makes an attempt until `resume()`.
   */
  onError?: ((error: AirlockError, url: string) => void) | undefined
}
