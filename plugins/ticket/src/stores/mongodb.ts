import { fromStored, milliseconds, nonEmptyString, optionsObject, parseOptions, toStored } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_TICKET_ERR_DUPLICATE, WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_STORE_CLOSED } from '../errors.js'
import { STORE_TIMEOUT, type StoreLog, type TicketRecord, type TicketStore } from '../store.js'

/** Options of a {@link MongoStore}. */
export interface MongoStoreOptions {
  /**
   * Name of the collection, if the store is given a database.
   * @default 'ws_tickets'
   */
  collection?: string
  /**
   * Time after which the driver abandons an operation, in milliseconds. Make it no shorter than the plugin's
   * `storeTimeout`, which answers the caller; this one frees what the operation holds.
   * @default 2000
   */
  timeout?: number
}

/*
 * Types of our own, so that a consumer who does not have the driver can compile. As methods, they take what the driver's
 * take, whatever its generics.
 */

/** The part of a collection of `mongodb`, version 7, that a {@link MongoStore} uses: a `Collection` is one. */
export interface MongoCollection {
  readonly collectionName: string
  /** Names of the database and of the collection, for the log. */
  readonly namespace: string
  /** Whose client can be made to connect again. */
  readonly db: { readonly client: { connect (): Promise<unknown> } }
  createIndex (key: Record<string, 1>, options: object): Promise<unknown>
  insertOne (document: object, options: object): Promise<unknown>
  findOne (filter: object, options: object): Promise<object | null>
  findOneAndDelete (filter: object, options: object): Promise<object | null>
  deleteMany (filter: object, options: object): Promise<{ deletedCount: number }>
}

/** The part of a database of `mongodb`, version 7, that a {@link MongoStore} uses: a `Db` is one. */
export interface MongoDatabase {
  collection (name: string): MongoCollection
}

const mongoOptions = optionsObject({
  collection: v.optional(nonEmptyString, 'ws_tickets'),
  timeout: v.optional(milliseconds, STORE_TIMEOUT)
})

/** A ticket in the database. */
interface TicketDocument extends Omit<TicketRecord, 'expiresAt'> {
  _id: string
  expiresAt: Date
}

/** Survives a failover. A standalone server accepts it as well. */
const MAJORITY = { writeConcern: { w: 'majority' as const } }

/**
 * What was redeemed or revoked must not come back after a crash. Without the journal, a killed standalone server forgot
 * the last few deletions that it had acknowledged. The loss of a new ticket does no harm.
 */
const FOR_GOOD = { writeConcern: { w: 'majority' as const, journal: true } }

/** A secondary may still have a ticket that was revoked. */
const PRIMARY = { readPreference: 'primary' as const, projection: { _id: 0 } as const }

const INDEXES: Array<[key: Record<string, 1>, options: object, consequence: string]> = [
  [{ expiresAt: 1 }, { expireAfterSeconds: 0 }, 'expired tickets are refused but stay in the collection'],
  [{ subject: 1 }, {}, 'revocation scans the whole collection']
]

/** Unauthorized, IndexOptionsConflict, IndexKeySpecsConflict: another attempt fails too, an operator has to help. */
const FINAL_CODES: unknown[] = [13, 85, 86]

/**
 * Keeps tickets in MongoDB, for any number of processes. The store does not close the connection.
 *
 * @example
 * await app.register(mongodb, { url: process.env.MONGODB_URL })
 * await app.register(wsTickets, { store: new MongoStore(app.mongo.db) })
 */
export class MongoStore implements TicketStore {
  readonly #tickets: MongoCollection
  readonly #timeout: number
  #indexes: 'missing' | 'pending' | 'settled' = 'missing'
  #log: StoreLog = { warn () {} }
  #connected = false
  #closed = false

  /**
   * @param source a database, such as `fastify.mongo.db`, or a collection
   * @throws {@link WSA_TICKET_ERR_OPTION} when an option is wrong or `source` is undefined, as `fastify.mongo.db` is
   *   when the URL names no database
   */
  constructor (source: MongoDatabase | MongoCollection | undefined, options: MongoStoreOptions = {}) {
    const { collection, timeout } = parseOptions(mongoOptions, options, WSA_TICKET_ERR_OPTION)
    if (source === undefined) throw new WSA_TICKET_ERR_OPTION('store: the MongoDB connection names no database')
    this.#tickets = 'collectionName' in source ? source : source.collection(collection)
    this.#timeout = timeout
  }

  async ready (log: StoreLog): Promise<void> {
    this.#log = log
    await this.#createIndexes()
  }

  async put (hash: string, record: TicketRecord): Promise<void> {
    this.#assertOpen()
    const document = toDocument(hash, record)
    try {
      await this.#run(() => this.#tickets.insertOne(document, this.#within(MAJORITY)))
    } catch (error) {
      throw codeOf(error) === 11_000 ? new WSA_TICKET_ERR_DUPLICATE() : error
    }
    // The database was away when the server started. The caller need not wait for indexes.
    if (this.#indexes === 'missing') this.#createIndexes().catch(() => {})
  }

  async take (hash: string, audience: string, now: number): Promise<TicketRecord | null> {
    this.#assertOpen()
    const live = { _id: hash, audience: toStored(audience), expiresAt: { $gt: new Date(now) } }
    // The two filters exclude each other and `reuse` never changes, so two steps are as atomic as one. The common kind
    // comes first and takes one round trip.
    const { projection } = PRIMARY
    const found = await this.#run(async () =>
      await this.#tickets.findOneAndDelete({ ...live, reuse: false }, this.#within({ ...FOR_GOOD, projection })) ??
      await this.#tickets.findOne({ ...live, reuse: true }, this.#within(PRIMARY)))
    return found === null ? null : toRecord(found as TicketDocument)
  }

  async revoke (subject: string, session?: string): Promise<number> {
    // Null matches the documents without a session as well.
    const ofSession = session === undefined ? {} : { session: { $in: [toStored(session), null] } }
    return await this.#delete({ subject: toStored(subject), ...ofSession })
  }

  // Without an index, which each new ticket would pay for: tickets live for seconds, so there are few.
  async revokeSession (session: string): Promise<number> {
    return await this.#delete({ session: toStored(session) })
  }

  async remove (hash: string): Promise<void> {
    await this.#delete({ _id: hash })
  }

  close (): void {
    this.#closed = true
  }

  async #delete (filter: object): Promise<number> {
    this.#assertOpen()
    const { deletedCount } = await this.#run(() => this.#tickets.deleteMany(filter, this.#within(FOR_GOOD)))
    return deletedCount
  }

  async #createIndexes (): Promise<void> {
    this.#indexes = 'pending'
    try {
      for (const [key, options, consequence] of INDEXES) {
        try {
          await this.#run(() => this.#tickets.createIndex(key, this.#within(options)))
        } catch (error) {
          if (!FINAL_CODES.includes(codeOf(error))) throw error
          const cure = `Create the index ${JSON.stringify(key)} with ${JSON.stringify(options)} on ${this.#tickets.namespace} by hand`
          this.#log.warn({ err: error }, `No index for tickets: ${consequence}. ${cure}`)
        }
      }
      this.#indexes = 'settled'
    } catch (error) {
      this.#indexes = 'missing'
      throw error
    }
  }

  async #run<T> (operation: () => Promise<T>): Promise<T> {
    try {
      const answer = await operation()
      this.#connected = true
      return answer
    } catch (error) {
      // A client that connects implicitly and finds no server stays broken: it keeps the closed topology of its first
      // attempt. Only connect() makes a new one.
      const broken = (error as Error).name === 'MongoTopologyClosedError'
      if (broken && !this.#connected && !this.#closed) this.#tickets.db.client.connect().catch(() => {})
      throw error
    }
  }

  // In version 7, the driver's timeoutMS does nothing, and maxTimeMS needs a server that answers. A signal ends each
  // operation, and one that is still in the queue is never sent.
  #within<T extends object> (options: T): T & { signal: AbortSignal } {
    return { ...options, signal: AbortSignal.timeout(this.#timeout) }
  }

  #assertOpen (): void {
    if (this.#closed) throw new WSA_TICKET_ERR_STORE_CLOSED()
  }
}

function toDocument (hash: string, { subject, audience, claims, expiresAt, reuse, origin, ip, session, requestedAt }: TicketRecord): TicketDocument {
  return {
    _id: hash,
    subject: toStored(subject),
    audience: toStored(audience),
    claims,
    expiresAt: new Date(expiresAt),
    reuse,
    origin: origin === null ? null : toStored(origin),
    ip,
    ...(session !== undefined && { session: toStored(session) }),
    ...(requestedAt !== undefined && { requestedAt })
  }
}

function toRecord ({ subject, audience, claims, expiresAt, reuse, origin, ip, session, requestedAt }: Omit<TicketDocument, '_id'>): TicketRecord {
  return {
    subject: fromStored(subject),
    audience: fromStored(audience),
    claims,
    expiresAt: expiresAt.getTime(),
    reuse,
    origin: origin === null ? null : fromStored(origin),
    ip,
    ...(session !== undefined && { session: fromStored(session) }),
    ...(requestedAt !== undefined && { requestedAt })
  }
}

function codeOf (error: unknown): unknown {
  return (error as { code?: unknown }).code
}
