import {
  fromStored, instanceWith, milliseconds, optionsObject, parseOptions, PostgresCalls, type PostgresClient, postgresCode, postgresName, type PostgresPool,
  quotePostgresName as quote, toStored
} from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_TICKET_ERR_DUPLICATE, WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_STORE_CLOSED } from '../errors.js'
import { STORE_TIMEOUT, type StoreLog, type TicketRecord, type TicketStore } from '../store.js'
import { FIND, schemaStatements, type Statements, statementsFor } from './postgres-statements.js'

export type { PostgresClient, PostgresPool }

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

const identifier = postgresName(63)

const postgresOptions = optionsObject({
  pool: instanceWith<PostgresPool>('connect', 'on'),
  table: v.optional(identifier, 'ws_tickets'),
  schema: v.optional(identifier),
  timeout: v.optional(milliseconds, STORE_TIMEOUT),
  purgeInterval: v.optional(milliseconds, 60_000)
})

/** Rows that one statement removes: one that removes a million would hold their locks for long. */
const PURGE_BATCH = 1_000

/**
 * duplicate_table, duplicate_object (the type of its rows), unique_violation, duplicate_column: another process has made the
 * table, or the columns, at the same time.
 */
const MADE_CODES: unknown[] = ['42P07', '42710', '23505', '42701']

/** insufficient_privilege, invalid_schema_name: trying again cannot help, an operator can. */
const FINAL_CODES: unknown[] = ['42501', '3F000']

/** lock_not_available: somebody reads the table for long. */
const LOCKED = '55P03'

/** undefined_column: the table was made by hand, for an earlier version. */
const NO_COLUMN = '42703'

/**
 * Keeps tickets in PostgreSQL, for any number of processes: each operation is one statement and one round trip. It does
 * not close the pool: you close the pool that you made.
 *
 * @example
 * const pool = new pg.Pool({ connectionString: 'postgresql://127.0.0.1/app', connectionTimeoutMillis: 2_000 })
 * await app.register(wsTickets, { store: new PostgresStore(pool) })
 */
export class PostgresStore implements TicketStore {
  readonly #calls: PostgresCalls
  readonly #table: string
  #statements: Statements
  readonly #purgeInterval: number
  /** The search for the table; `undefined` before it, and where there was no answer. */
  #prepared: Promise<void> | undefined
  #log: StoreLog = { warn () {} }
  #purged = performance.now()
  /** Whether it was said what is wrong with the table. */
  #warned = false
  #closed = false

  /**
   * @param pool a pool of `pg`, as `fastify.pg.pool` of `@fastify/postgres`
   * @throws `WSA_TICKET_ERR_OPTION`
   */
  constructor (pool: PostgresPool, options: PostgresStoreOptions = {}) {
    const { table, schema, timeout, purgeInterval } = parseOptions(postgresOptions, { ...options, pool }, WSA_TICKET_ERR_OPTION)
    this.#calls = new PostgresCalls(pool, timeout)
    this.#table = (schema === undefined ? '' : `${quote(schema)}.`) + quote(table)
    this.#statements = statementsFor(this.#table, true)
    this.#purgeInterval = purgeInterval
  }

  async ready (log: StoreLog): Promise<void> {
    this.#log = log
    await this.#prepareOnce()
  }

  async put (hash: string, { subject, audience, claims, expiresAt, reuse, origin, ip, session, requestedAt }: TicketRecord): Promise<void> {
    const values = [hash, toStored(subject), toStored(audience), claims, expiresAt, reuse, origin === null ? null : toStored(origin), ip]
    const added = [session === undefined ? null : toStored(session), requestedAt ?? null]
    const { rowCount } = await this.#ask(({ put, hasSession }) => [put, ...values, ...hasSession ? added : []])
    if (rowCount === 0) throw new WSA_TICKET_ERR_DUPLICATE()
    // Nobody has to wait for this. What it could not remove is found the next time.
    if (performance.now() - this.#purged >= this.#purgeInterval) this.#purge().catch(ignore)
  }

  async take (hash: string, audience: string, now: number): Promise<TicketRecord | null> {
    const { rows: [found] } = await this.#ask(({ take }) => [take, hash, toStored(audience), now])
    if (found === undefined) return null
    const { subject, claims, expires_at: expiresAt, reuse, origin, ip, session, requested_at: requestedAt } = found
    return {
      subject: fromStored(subject),
      audience,
      claims,
      expiresAt,
      reuse,
      origin: origin === null ? null : fromStored(origin),
      ip,
      // Undefined from a table without these columns.
      ...(session != null && { session: fromStored(session) }),
      ...(requestedAt != null && { requestedAt })
    }
  }

  async revoke (subject: string, session?: string): Promise<number> {
    const { rowCount } = await this.#ask(({ revoke, revokeOf }) =>
      // A table without sessions has tickets without one.
      session === undefined || revokeOf === null ? [revoke, toStored(subject)] : [revokeOf, toStored(subject), toStored(session)])
    return rowCount as number
  }

  async revokeSession (session: string): Promise<number> {
    const { rowCount } = await this.#ask(({ revokeSession }) => {
      if (revokeSession === null) throw new Error('The table of tickets has no column for the session')
      return [revokeSession, toStored(session)]
    })
    return rowCount as number
  }

  async remove (hash: string): Promise<void> {
    await this.#ask(({ remove }) => [remove, hash])
  }

  close (): void {
    this.#closed = true
  }

  async #purge (): Promise<void> {
    this.#purged = performance.now()
    // The columns may be there by now.
    if (!this.#statements.hasSession) this.#prepared = undefined
    for (let removed: number | null = PURGE_BATCH; removed === PURGE_BATCH;) {
      ({ rowCount: removed } = await this.#ask(({ purge }) => [purge, PURGE_BATCH]))
    }
  }

  /** @param make returns a statement and its values */
  async #ask (make: (statements: Statements) => [text: string, ...values: unknown[]]): ReturnType<PostgresClient['query']> {
    if (this.#closed) throw new WSA_TICKET_ERR_STORE_CLOSED()
    const end = this.#calls.deadline()
    // The database may have been away when the server started.
    await this.#prepareOnce()
    const [text, ...values] = make(this.#statements)
    try {
      return await this.#calls.send(text, values, end)
    } catch (error) {
      if (postgresCode(error) === NO_COLUMN) this.#prepared = undefined
      throw error
    }
  }

  async #prepareOnce (): Promise<void> {
    this.#prepared ??= this.#prepare().catch(error => {
      this.#prepared = undefined
      throw error
    })
    await this.#prepared
  }

  /** Makes the table, unless it is there, and the columns that a table of an earlier version lacks. */
  async #prepare (): Promise<void> {
    const end = this.#calls.deadline()
    const { create, extend } = schemaStatements(this.#table)
    let statement = create
    let hasSession = true
    try {
      const { rows: [found] } = await this.#calls.send(FIND, [this.#table], end)
      if (found.commit === 'off' && !this.#warned) {
        this.#log.warn({}, 'PostgreSQL acknowledges what it has not written: tickets may be good again after a crash. Set synchronous_commit to on')
      }
      if (found.name !== null) statement = extend
      if (found.name === null || found.isOld) await this.#calls.send(statement, [], end)
    } catch (error) {
      const code = postgresCode(error)
      if (MADE_CODES.includes(code)) return
      if (!FINAL_CODES.includes(code) && code !== LOCKED) throw error
      if (statement === create) {
        this.#log.warn({ err: error }, `No table for tickets: they are refused. Make it by hand and grant SELECT, INSERT, UPDATE and DELETE on it: ${create}`)
      } else {
        hasSession = false
        if (!this.#warned) this.#log.warn({ err: error }, `The table of tickets has no columns for the session: a revocation by session revokes all tickets of the subject. Add them by hand: ${extend}`)
        this.#warned = true
      }
    } finally {
      this.#statements = statementsFor(this.#table, hasSession)
    }
  }
}

function ignore (): void {}
