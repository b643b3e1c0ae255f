import type { Skip } from './found.js'
import { startInstalled } from './installed.js'
import type { PrivateServer } from './server.js'

/**
 * Starts a private NATS, whatever `NATS_URL` says: `nats-server` on PATH. It dies with this process.
 *
 * @param options further arguments of nats-server, as `'--user', 'airlock'`
 */
export async function startNats (...options: string[]): Promise<PrivateServer | Skip> {
  return await startInstalled('nats', {
    args: (folder, port) => ['--addr', '127.0.0.1', '--port', String(port), ...options],
    ready: /Server is ready/
  })
}
