import {
  instanceWith, milliseconds, optionsObject, parseOptions, PostgresCalls, type PostgresClient, postgresCode, postgresName, type PostgresPool,
  quotePostgresName as quote, toStored
} from '@fastify-airlock/core'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as v from 'valibot'
import { WSA_TOPICS_ERR_OPTION, WSA_TOPICS_ERR_STORE_CLOSED } from '../errors.js'
import { HEAD_LIFE } from '../head-life.js'
import type { AppendOptions, Appended, Claimed, PublicationId, StoredMessage, TopicPosition, TopicRead, TopicStore, TopicStoreLog } from '../store.js'
import { type Names, schemaOf, type Statements, statementsOf } from './postgres-statements.js'
import { readOf } from './read.js'

/** Options of a {@link PostgresTopicStore}. */
export interface PostgresTopicStoreOptions {
  /**
   * Name of the table of positions; those of the others begin with it. At most 50 bytes.
   * @default 'ws_topics'
   */
  table?: string
  /**
   * Schema of the tables, which has to exist.
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
   * Shortest time between two searches for what is over, in milliseconds. It is removed then.
   * @default 60000
   */
  purgeInterval?: number
}

/** The part of a client of `pg` that a {@link PostgresTopicStore} uses. */
export type PostgresTopicClient = PostgresClient

/** The part of a pool of `pg` that a {@link PostgresTopicStore} uses. */
export type PostgresTopicPool = PostgresPool

const postgresOptions = optionsObject({
  pool: instanceWith<PostgresTopicPool>('connect', 'on'),
  table: v.optional(postgresName(50), 'ws_topics'),
  schema: v.optional(postgresName(63)),
  timeout: v.optional(milliseconds, 2_000),
  purgeInterval: v.optional(milliseconds, 60_000)
})

/** Rows that one statement removes: one that removes a million would hold their locks for long. */
const PURGE_BATCH = 1_000

/** duplicate_table, duplicate_object, unique_violation, "tuple concurrently updated": another node makes them at the same time. */
const MADE_CODES: unknown[] = ['42P07', '42710', '23505', 'XX000']

/**
 * serialization_failure and deadlock_detected: another transaction was faster, where the database's transactions are isolated more
 * than by default. Nothing was done.
 */
const LOST_CODES: unknown[] = ['40001', '40P01']

/** Longest time before one of them is sent again, in milliseconds. */
const MAX_RETRY_DELAY = 20

const CLAIMED: readonly Claimed[] = ['new', 'repeated', 'conflict']

/**
 * Keeps publications in PostgreSQL, for any number of nodes: each takes one statement and one round trip. It does not close the
 * pool: you close the pool that you made. What it has acknowledged survives a crash, unless `synchronous_commit` is off.
 *
 * @example
 * const pool = new pg.Pool({ connectionString: 'postgresql://127.0.0.1/app', connectionTimeoutMillis: 2_000 })
 * await app.register(wsTopics, { store: new PostgresTopicStore(pool) })
 */
export class PostgresTopicStore implements TopicStore {
  readonly #calls: PostgresCalls
  readonly #names: Names
  readonly #statements: Statements
  readonly #purgeInterval: number
  /** The making of the tables; `undefined` before it, and where there was no answer. */
  #prepared: Promise<void> | undefined
  #log: TopicStoreLog = { warn () {} }
  #purged = performance.now()
  #closed = false

  /**
   * @param pool a pool of `pg`, as `fastify.pg.pool` of `@fastify/postgres`
   * @throws {@link WSA_TOPICS_ERR_OPTION} when an option is wrong
   */
  constructor (pool: PostgresTopicPool, options: PostgresTopicStoreOptions = {}) {
    const { table, schema, timeout, purgeInterval } = parseOptions(postgresOptions, { ...options, pool }, WSA_TOPICS_ERR_OPTION)
    const name = (end: string): string => (schema === undefined ? '' : `${quote(schema)}.`) + quote(table + end)
    this.#names = { heads: name(''), log: name('_log'), ids: name('_ids'), append: name('_append') }
    this.#statements = statementsOf(this.#names)
    this.#calls = new PostgresCalls(pool, timeout)
    this.#purgeInterval = purgeInterval
  }

  async ready (log: TopicStoreLog): Promise<void> {
    this.#log = log
    await this.#prepareOnce()
  }

  async append (topic: string, data: string, { size, ttl, id }: AppendOptions): Promise<Appended> {
    const { rows: [{ claimed, epoch, n }] } = await this.#ask(
      this.#statements.append, toStored(topic), newEpoch(), data, size, ttl, ttl + HEAD_LIFE, id?.key ?? null, id?.digest ?? null, id?.window ?? null
    )
    // Nobody has to wait for this. What it could not remove is found the next time.
    if (performance.now() - this.#purged >= this.#purgeInterval) this.purge().catch(ignore)
    return { position: { epoch, offset: Number(n) }, claimed: CLAIMED[claimed] as Claimed }
  }

  async claim (topic: string, { key, digest, window }: PublicationId): Promise<Claimed> {
    const name = [toStored(topic), key]
    const { rowCount } = await this.#ask(this.#statements.claim, ...name, digest, window)
    if (rowCount === 1) return 'new'
    const { rows: [known] } = await this.#ask(this.#statements.known, ...name)
    return known?.digest === digest ? 'repeated' : 'conflict'
  }

  async open (topic: string, ttl: number): Promise<TopicPosition> {
    const { rows: [{ epoch, n }] } = await this.#ask(this.#statements.open, toStored(topic), newEpoch(), ttl + HEAD_LIFE)
    return { epoch, offset: Number(n) }
  }

  async read (topic: string, since: TopicPosition | null, limit: number): Promise<TopicRead> {
    const most = since === null ? 0 : limit
    let { epoch, offset } = since ?? { epoch: '', offset: 0 }
    while (true) {
      const { rows } = await this.#ask(this.#statements.read, toStored(topic), toStored(epoch), offset, most)
      if (rows.length === 0) return { position: null, messages: [], complete: false }
      const position = { epoch: rows[0].epoch, offset: Number(rows[0].last) }
      let messages: StoredMessage[] = []
      for (const { n, data, over } of rows) {
        // Beyond what is over there is a gap.
        if (over === true) messages = []
        else if (n !== null) messages.push({ offset: Number(n), data })
      }
      if (messages.length > 0 || most === 0 || rows.length < most || rows[0].n === null) return readOf(position, since, messages)
      epoch = position.epoch
      offset = Number(rows.at(-1).n)
    }
  }

  async heads (topics: readonly string[]): Promise<Array<TopicPosition | null>> {
    const names = topics.map(toStored)
    const { rows } = await this.#ask(this.#statements.heads, names)
    const found = new Map<string, TopicPosition>(rows.map(({ topic, epoch, n }) => [topic, { epoch, offset: Number(n) }]))
    return names.map(name => found.get(name) ?? null)
  }

  /** Removes what is over. The store does so by itself, while there are publications. */
  async purge (): Promise<void> {
    this.#purged = performance.now()
    for (const statement of this.#statements.purge) {
      for (let removed: number | null = PURGE_BATCH; removed === PURGE_BATCH;) ({ rowCount: removed } = await this.#ask(statement, PURGE_BATCH))
    }
  }

  close (): void {
    this.#closed = true
  }

  async #ask (text: string, ...values: unknown[]): ReturnType<PostgresTopicClient['query']> {
    if (this.#closed) throw new WSA_TOPICS_ERR_STORE_CLOSED()
    const end = this.#calls.deadline()
    // The database may have been away when the server started.
    await this.#prepareOnce()
    while (true) {
      try {
        return await this.#calls.send(text, values, end)
      } catch (error) {
        if (!LOST_CODES.includes(postgresCode(error)) || performance.now() + MAX_RETRY_DELAY >= end) throw error
        await sleep(Math.random() * MAX_RETRY_DELAY)
      }
    }
  }

  async #prepareOnce (): Promise<void> {
    this.#prepared ??= this.#prepare().catch(error => {
      this.#prepared = undefined
      throw error
    })
    await this.#prepared
  }

  /** Makes the tables and the function, unless they are there. */
  async #prepare (): Promise<void> {
    const end = this.#calls.deadline()
    const { append } = this.#names
    const { rows: [found] } = await this.#calls.send(
      "SELECT to_regproc($1) IS NOT NULL AS made, current_setting('synchronous_commit') AS commit", [append], end
    )
    if (found.commit === 'off') {
      this.#log.warn({}, 'PostgreSQL acknowledges what it has not written: publications may be lost in a crash. Set synchronous_commit to on')
    }
    if (found.made === true) return
    const schema = schemaOf(this.#names)
    try {
      await this.#calls.send(schema, [], end)
    } catch (error) {
      if (MADE_CODES.includes(postgresCode(error))) return
      this.#log.warn({ err: error }, `No tables for topics: publications are refused. Make them by hand and grant SELECT, INSERT, UPDATE and DELETE on them: ${schema}`)
      throw error
    }
  }
}

function ignore (): void {}

function newEpoch (): string {
  return randomBytes(9).toString('base64url')
}
