import { instanceWith, milliseconds, optionsObject, parseOptions } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_TICKET_ERR_DUPLICATE, WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_STORE_CLOSED } from '../errors.js'
import { STORE_TIMEOUT, type StoreLog, type TicketRecord, type TicketStore } from '../store.js'
import { fromStored, toStored } from './text.js'

/** Options of a {@link PostgresStore}. */
export interface PostgresStoreOptions {
  /**
   * Name of the table.
   * @default 'ws_tickets'
   */
  table?: string
  /**
   * Schema of the table, which has to exist.
   * @default undefined, for the first one in the connection's `search_path`
   */
  schema?: string
  /**
   * Time after which an operation is abandoned, in milliseconds: one that has no connection by then is never sent, and
   * the connection of one that was sent is closed. Keep it equal to the plugin's `storeTimeout`.
   * @default 2000
   */
  timeout?: number
  /**
   * Shortest time between two searches for tickets that nobody has used, in milliseconds. They are removed then.
   * @default 60000
   */
  purgeInterval?: number
}

/** The part of a client of `pg`, version 8, that a {@link PostgresStore} uses. */
export interface PostgresClient {
  query (query: { text: string, values: unknown[], query_timeout: number }): Promise<{ rows: any[], rowCount: number | null }>
  on (event: 'error', listener: (error: Error) => void): unknown
  off (event: 'error', listener: (error: Error) => void): unknown
  release (error?: Error): void
}

/** The part of a pool of `pg`, version 8, that a {@link PostgresStore} uses. */
export interface PostgresPool {
  connect (): Promise<PostgresClient>
  on (event: 'error', listener: (error: Error) => void): unknown
}

// A longer one is cut by PostgreSQL, and could then be that of another table.
const identifier = v.pipe(v.string(), v.nonEmpty(), v.maxBytes(63), v.regex(/^[^\0]*$/))

const postgresOptions = optionsObject({
  pool: instanceWith<PostgresPool>('connect', 'on'),
  table: v.optional(identifier, 'ws_tickets'),
  schema: v.optional(identifier),
  timeout: v.optional(milliseconds, STORE_TIMEOUT),
  purgeInterval: v.optional(milliseconds, 60_000)
})

/** For how long unused tickets stay after their end, since the clocks of servers differ. In seconds. */
const PURGE_DELAY = 60

/** Rows that one statement removes: one that removes a million would hold their locks for long. */
const PURGE_BATCH = 1_000

/** duplicate_table, duplicate_object (the type of its rows), unique_violation: another process has made the table at the same time. */
const MADE_CODES: unknown[] = ['42P07', '42710', '23505']

/** insufficient_privilege, invalid_schema_name: trying again cannot help, an operator can. */
const FINAL_CODES: unknown[] = ['42501', '3F000']

/**
 * Keeps tickets in PostgreSQL, for any number of processes: each operation is one statement and one round trip. It does
 * not close the pool: you close the pool that you made.
 *
 * @example
 * const pool = new pg.Pool({ connectionString: 'postgresql://127.0.0.1/app', connectionTimeoutMillis: 2_000 })
 * await app.register(wsTickets, { store: new PostgresStore(pool) })
 */
export class PostgresStore implements TicketStore {
  readonly #pool: PostgresPool
  readonly #table: string
  readonly #statements: ReturnType<typeof statementsFor>
  readonly #timeout: number
  readonly #purgeInterval: number
  /** The search for the table; `undefined` before it, and where there was no answer. */
  #prepared: Promise<void> | undefined
  #log: StoreLog = { warn () {} }
  #purged = performance.now()
  #closed = false

  /**
   * @param pool a pool of `pg`, as `fastify.pg.pool` of `@fastify/postgres`
   * @throws `WSA_TICKET_ERR_OPTION`
   */
  constructor (pool: PostgresPool, options: PostgresStoreOptions = {}) {
    const { table, schema, timeout, purgeInterval } = parseOptions(postgresOptions, { ...options, pool }, WSA_TICKET_ERR_OPTION)
    this.#pool = pool
    this.#table = (schema === undefined ? '' : `${quote(schema)}.`) + quote(table)
    this.#statements = statementsFor(this.#table)
    this.#timeout = timeout
    this.#purgeInterval = purgeInterval
    // An idle connection that is lost is an error of the pool, which has removed it by then. Without a listener it would
    // end the process.
    pool.on('error', ignore)
  }

  async ready (log: StoreLog): Promise<void> {
    this.#log = log
    await this.#prepareOnce()
  }

  async put (hash: string, { subject, audience, claims, expiresAt, reuse, origin, ip }: TicketRecord): Promise<void> {
    const values = [hash, toStored(subject), toStored(audience), claims, expiresAt, reuse, origin === null ? null : toStored(origin), ip]
    const { rowCount } = await this.#ask(this.#statements.put, values)
    if (rowCount === 0) throw new WSA_TICKET_ERR_DUPLICATE()
    // Nobody has to wait for this. What it could not remove is found the next time.
    if (performance.now() - this.#purged >= this.#purgeInterval) this.#purge().catch(ignore)
  }

  async take (hash: string, audience: string, now: number): Promise<TicketRecord | null> {
    const { rows: [found] } = await this.#ask(this.#statements.take, [hash, toStored(audience), now])
    if (found === undefined) return null
    const { subject, claims, expires_at: expiresAt, reuse, origin, ip } = found
    return { subject: fromStored(subject), audience, claims, expiresAt, reuse, origin: origin === null ? null : fromStored(origin), ip }
  }

  async revoke (subject: string): Promise<number> {
    const { rowCount } = await this.#ask(this.#statements.revoke, [toStored(subject)])
    return rowCount as number
  }

  close (): void {
    this.#closed = true
  }

  async #purge (): Promise<void> {
    this.#purged = performance.now()
    for (let removed: number | null = PURGE_BATCH; removed === PURGE_BATCH;) {
      ({ rowCount: removed } = await this.#ask(this.#statements.purge, [PURGE_BATCH]))
    }
  }

  async #ask (text: string, values: unknown[]): ReturnType<PostgresClient['query']> {
    if (this.#closed) throw new WSA_TICKET_ERR_STORE_CLOSED()
    const end = performance.now() + this.#timeout
    // The database may have been away when the server started.
    await this.#prepareOnce()
    return await this.#send(text, values, end)
  }

  async #prepareOnce (): Promise<void> {
    this.#prepared ??= this.#prepare().catch(error => {
      this.#prepared = undefined
      throw error
    })
    await this.#prepared
  }

  /** Makes the table, unless it is there. */
  async #prepare (): Promise<void> {
    const end = performance.now() + this.#timeout
    try {
      const { rows: [found] } = await this.#send(FIND, [this.#table], end)
      if (found.commit === 'off') {
        this.#log.warn({}, 'PostgreSQL acknowledges what it has not written: tickets may be good again after a crash. Set synchronous_commit to on')
      }
      if (found.name === null) await this.#send(this.#statements.create, [], end)
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (MADE_CODES.includes(code)) return
      if (!FINAL_CODES.includes(code)) throw error
      this.#log.warn({ err: error }, `No table for tickets: they are refused. Make it by hand and grant SELECT, INSERT, UPDATE and DELETE on it: ${this.#statements.create}`)
    }
  }

  // Not by the pool's own query(): what waits there for a connection is sent even when nobody waits for it any more,
  // and would use up a ticket.
  async #send (text: string, values: unknown[], end: number): ReturnType<PostgresClient['query']> {
    const client = await this.#pool.connect()
    const left = Math.ceil(end - performance.now())
    if (left <= 0) {
      client.release()
      throw new Error(`No connection to PostgreSQL within ${this.#timeout} ms`)
    }
    // A connection that is lost meanwhile is an error of the statement and one of the client.
    client.on('error', ignore)
    try {
      const result = await client.query({ text, values, query_timeout: left })
      client.off('error', ignore)
      client.release()
      return result
    } catch (error) {
      // The pool closes the connection: it may be lost, or still be at work.
      client.release(error as Error)
      throw error
    }
  }
}

/** Parameter: the name of the table, quoted. */
const FIND = "SELECT to_regclass($1)::text AS name, current_setting('synchronous_commit') AS commit"

/** @param table quoted, with its schema where it has one */
function statementsFor (table: string) {
  const record = 'subject, audience, claims, expires_at, reuse, origin, ip'
  const live = 'hash = $1 AND audience = $2 AND expires_at > $3'
  return {
    // Without parameters these are sent together, and run as one. Bytes are compared, whatever the language of the
    // database, and a subject may be longer than a B-tree takes.
    create: `
CREATE TABLE ${table} (
  hash text COLLATE "C" PRIMARY KEY,
  subject text COLLATE "C" NOT NULL,
  audience text COLLATE "C" NOT NULL,
  claims text NOT NULL,
  expires_at double precision NOT NULL,
  reuse boolean NOT NULL,
  origin text,
  ip text
);
CREATE INDEX ON ${table} USING hash (subject);
CREATE INDEX ON ${table} (expires_at);`,
    put: `INSERT INTO ${table} (hash, ${record}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (hash) DO NOTHING`,
    // The two conditions exclude each other and `reuse` never changes, so that one of the two finds the ticket.
    take: `WITH taken AS (DELETE FROM ${table} WHERE ${live} AND NOT reuse RETURNING ${record})
SELECT ${record} FROM taken UNION ALL SELECT ${record} FROM ${table} WHERE ${live} AND reuse`,
    revoke: `DELETE FROM ${table} WHERE subject = $1`,
    // It waits for no lock, so that it cannot get into a deadlock with a revocation.
    purge: `DELETE FROM ${table} WHERE hash IN (
  SELECT hash FROM ${table} WHERE expires_at < (extract(epoch FROM now()) - ${PURGE_DELAY}) * 1000
  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
)`
  }
}

/** Writes a name so that PostgreSQL takes it as it is. */
function quote (name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function ignore (): void {}
