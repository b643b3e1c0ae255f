import type { Skip } from './found.js'
import { which } from './paths.js'
import { launch, type PrivateServer, type Server } from './server.js'

/** A Redis to test against. */
export type Redis = Server

/** A Redis of one's own, to be treated badly. What it has acknowledged survives {@link PrivateServer.kill}. */
export type RedisServer = PrivateServer

/**
 * The Redis that suites share: `REDIS_URL` where it is set, else one of {@link startRedis}. Suites keep apart by the
 * prefixes of their keys and channels.
 */
export async function findRedis (): Promise<Redis | Skip> {
  const { REDIS_URL } = process.env
  return REDIS_URL ? { kind: 'REDIS_URL', url: REDIS_URL, stop: async () => {} } : await startRedis()
}

/**
 * Starts a private Redis, whatever `REDIS_URL` says: `redis-server` on PATH. It dies with this process.
 *
 * @param options further arguments of redis-server, as `'--cluster-enabled', 'yes'`
 */
export async function startRedis (...options: string[]): Promise<RedisServer | Skip> {
  const path = which('redis-server')
  if (path === null) return { skip: 'no Redis: set REDIS_URL or install redis-server' }
  try {
    return await launch('redis', {
      kind: `redis-server (${path})`,
      command: (folder, port) => ({
        command: path,
        // Without fsync the append-only file is written before every answer, never put off: enough to survive SIGKILL.
        args: [
          '--bind', '127.0.0.1', '--port', String(port), '--dir', folder,
          '--appendonly', 'yes', '--appendfsync', 'no', '--save', '', ...options
        ],
        ready: /Ready to accept connections/,
        folder
      })
    })
  } catch (error) {
    return { skip: `no Redis: ${(error as Error).message}` }
  }
}
