/** What every message on a diagnostics channel of Airlock has. Several servers may run in one process. */
export interface ServerEvent {
  /**
   * The HTTP server that it is about: `fastify.server`; `null` where that is not known. It is not enumerable, so that a message
   * can be logged and compared as it is.
   */
  readonly server?: object | null
}

const kServer = Symbol('airlock.server')

interface WithServer {
  [kServer]?: object
}

/** Notes which server has taken the request of an upgrade. */
export function noteServer (request: object, server: object): void {
  (request as WithServer)[kServer] = server
}

/** The server of the request of an upgrade; `undefined` where nobody has noted it. */
export function serverOf (request: object): object | undefined {
  return (request as WithServer)[kServer]
}

/** Says which server a message on a diagnostics channel is about. */
export function ofServer<Event extends object> (event: Event, server: object | null | undefined): Event & Required<ServerEvent> {
  return Object.defineProperty(event, 'server', { value: server ?? null }) as Event & Required<ServerEvent>
}
