import type { FastifyBaseLogger } from 'fastify'
import pg from 'pg'

/** Schemes of the URLs of PostgreSQL. */
export const POSTGRES_SCHEMES = ['postgresql', 'postgres']

/** Time that a connection may take to be made, in milliseconds. */
const CONNECT_TIMEOUT_MS = 2_000

/** Whether the driver of PostgreSQL understands a URL. Does not connect. */
export function isPostgresUrl (url: string): boolean {
  try {
    return new pg.Client(url) !== null
  } catch {
    return false
  }
}

/**
 * A pool of connections to PostgreSQL, each made when it is needed. Logs each loss once, not for every connection.
 *
 * @param purpose what does not work without the connections, for the log
 */
export function connectPostgres (url: string, purpose: string, log: Pick<FastifyBaseLogger, 'info' | 'warn'>): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  let away = false
  // Only the message: the error has the whole client as a member.
  pool.on('error', ({ message }) => {
    if (!away) log.warn({ reason: message }, `PostgreSQL is away: ${purpose}`)
    away = true
  })
  pool.on('connect', () => {
    if (away) log.info(`PostgreSQL is back: ${purpose}`)
    away = false
  })
  return pool
}
