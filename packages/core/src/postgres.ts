import * as v from 'valibot'

/** The part of a client of `pg`, version 8, that stores use. */
export interface PostgresClient {
  query (query: { text: string, values: unknown[], query_timeout: number }): Promise<PostgresResult>
  on (event: 'error', listener: (error: Error) => void): unknown
  off (event: 'error', listener: (error: Error) => void): unknown
  release (error?: Error): void
}

/** What a statement has brought. */
export interface PostgresResult {
  rows: any[]
  rowCount: number | null
}

/** The part of a pool of `pg`, version 8, that stores use. */
export interface PostgresPool {
  connect (): Promise<PostgresClient>
  on (event: 'error', listener: (error: Error) => void): unknown
}

/**
 * The schema of an option that names something in PostgreSQL, which cuts longer names: then they could be those of another thing.
 *
 * @param bytes the most that it may have, with what is added to it: 63 for PostgreSQL
 */
export const postgresName = (bytes: number) => v.pipe(v.string(), v.nonEmpty(), v.maxBytes(bytes), v.regex(/^[^\0]*$/))

/** Quotes a name for a statement. */
export function quotePostgresName (name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The code of an error of PostgreSQL (SQLSTATE), if it is one. */
export function postgresCode (error: unknown): unknown {
  return (error as { code?: unknown }).code
}

/** Sends statements to PostgreSQL, each with a time limit. */
export class PostgresCalls {
  readonly #pool: PostgresPool
  readonly #timeout: number

  /** @param timeout in milliseconds */
  constructor (pool: PostgresPool, timeout: number) {
    this.#pool = pool
    this.#timeout = timeout
    // An idle connection that is lost is an error of the pool, which has removed it by then. Without a listener it would
    // end the process.
    pool.on('error', ignore)
  }

  /** Until when what begins now may take, in milliseconds of `performance.now()`. */
  deadline (): number {
    return performance.now() + this.#timeout
  }

  /**
   * Sends a statement. Not by the pool's own `query()`: what waits there for a connection is sent even when nobody waits for it any
   * more, and would use up a ticket, or publish again.
   *
   * @param end until when, in milliseconds of `performance.now()`
   * @throws {Error} what PostgreSQL or `pg` says, and when there is no connection in time
   */
  async send (text: string, values: unknown[], end: number): Promise<PostgresResult> {
    const client = await this.#pool.connect()
    const left = Math.ceil(end - performance.now())
    if (left <= 0) {
      client.release()
      throw new Error(`No connection to PostgreSQL within ${this.#timeout} ms`)
    }
    // A connection that is lost meanwhile is an error of the statement and one of the client.
    client.on('error', ignore)
    const keep = (): void => {
      client.off('error', ignore)
      client.release()
    }
    try {
      const result = await client.query({ text, values, query_timeout: left })
      keep()
      return result
    } catch (error) {
      // PostgreSQL has answered, and the connection is as it was. Any other may be lost, or still be at work: the pool closes it.
      if ((error as { severity?: unknown }).severity === 'ERROR') keep()
      else client.release(error as Error)
      throw error
    }
  }
}

function ignore (): void {}
