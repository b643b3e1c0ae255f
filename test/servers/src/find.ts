import type { Skip } from './found.js'
import { startMongo } from './mongo.js'
import { startNats } from './nats.js'
import { startPostgres } from './postgres.js'
import { startRedis } from './redis.js'
import type { PrivateServer, Server } from './server.js'
import { rowOf } from './table.js'

/** How each server of `servers.json` is started. */
export const STARTERS = {
  mongodb: startMongo,
  redis: startRedis,
  postgresql: startPostgres,
  nats: startNats
} satisfies Record<string, () => Promise<PrivateServer | Skip>>

/** A server of `servers.json`. */
export type ServerName = keyof typeof STARTERS

/** The servers of `servers.json`. */
export const SERVER_NAMES = Object.keys(STARTERS) as ServerName[]

/**
 * The server that suites share: the one that its environment variable gives, else a private one. Suites keep apart by
 * the names of their databases, prefixes or subjects.
 *
 * @example
 * const redis = requireServer(t, await findServer('redis'))
 */
export async function findServer (name: ServerName): Promise<Server | Skip> {
  const { variable } = rowOf(name)
  const url = process.env[variable]
  return url ? { kind: variable, url, stop: async () => {} } : await STARTERS[name]()
}

/** The MongoDB that suites share. */
export const findMongo = async (): Promise<Server | Skip> => await findServer('mongodb')

/** The Redis that suites share. */
export const findRedis = async (): Promise<Server | Skip> => await findServer('redis')

/** The PostgreSQL that suites share. */
export const findPostgres = async (): Promise<Server | Skip> => await findServer('postgresql')

/** The NATS that suites share. */
export const findNats = async (): Promise<Server | Skip> => await findServer('nats')
