import type { Keys } from '../lib/tokens.js'

/** What a server is started with. */
export interface Settings {
  variant: string
  keys: Keys
  /** Where its tickets are, unless in its memory. */
  redisUrl?: string
  /** Whether verified tokens are remembered, where the plugins can. */
  tokenCache: boolean
  /** Whether the ticket route verifies the JWT in the plugin's own way, where it can. */
  routeJwt: boolean
  /** Whether the guard refuses before the router, where it can. */
  refuseBeforeRouting: boolean
  /** Whether it pings idle connections. */
  heartbeat: boolean
  /** Whether somebody subscribes to the audit trail. */
  audit: boolean
}

/** A server that listens. */
export interface Started {
  port: number
  /** How many pings it has sent. */
  pings?: () => number
  /** How many connections are open. */
  connections: () => number
  /** Sends text to everybody, `times` times in one turn of the event loop. */
  broadcast?: (text: string, times: number) => void
  /** A ticket that nobody asked for over HTTP. */
  issue?: (subject: string) => Promise<string>
}

/** Node's own is 511, which a storm overruns long before the server is busy; the kernel has an upper bound of its own. */
export const BACKLOG = 65_535

/** Where to listen. */
export const LISTEN = { port: 0, host: '127.0.0.1', backlog: BACKLOG }
