import type { Skip } from './found.js'
import { startInstalled } from './installed.js'
import type { PrivateServer } from './server.js'

/** A private Redis, to be treated badly. */
export type RedisServer = PrivateServer

/**
 * Starts a private Redis, whatever `REDIS_URL` says: `redis-server` on PATH. It dies with this process. What it has
 * acknowledged survives {@link PrivateServer.kill}.
 *
 * @param options further arguments of redis-server, as `'--cluster-enabled', 'yes'`
 */
export async function startRedis (...options: string[]): Promise<PrivateServer | Skip> {
  return await startInstalled('redis', {
    // Without fsync the append-only file is written before every answer, never put off: enough to survive SIGKILL.
    args: (folder, port) => [
      '--bind', '127.0.0.1', '--port', String(port), '--dir', folder,
      '--appendonly', 'yes', '--appendfsync', 'no', '--save', '', ...options
    ],
    ready: /Ready to accept connections/
  })
}
