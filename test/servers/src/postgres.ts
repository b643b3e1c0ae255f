import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Skip } from './found.js'
import { startInstalled } from './installed.js'
import { isExecutable, which } from './paths.js'
import type { PrivateServer } from './server.js'

/** Where Debian keeps one folder for each version, off PATH. */
const DEBIAN = '/usr/lib/postgresql'

/**
 * Starts a private PostgreSQL, whatever `POSTGRES_URL` says: `postgres` on PATH or the newest of Debian's. It dies with
 * this process. What it has acknowledged survives {@link PrivateServer.kill}.
 *
 * @param settings further settings of `postgresql.conf`, as `'max_connections=20'`
 */
export async function startPostgres (...settings: string[]): Promise<PrivateServer | Skip> {
  return await startInstalled('postgresql', path => ({
    prepare: `'${join(dirname(path), 'initdb')}' --pgdata=. --username=postgres --auth=trust --locale=C --encoding=UTF8 --no-sync`,
    // Without fsync a commit is still written before it is acknowledged: enough to survive SIGKILL.
    args: (folder, port) => ['-D', folder, ...[
      'listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', 'fsync=off', 'shared_buffers=16MB', ...settings
    ].flatMap(setting => ['-c', setting])],
    ready: /database system is ready to accept connections/,
    refusesRoot: true,
    login: 'postgres'
  }), locatePostgres)
}

function locatePostgres (program: string): string | null {
  const onPath = which(program)
  if (onPath !== null) return onPath
  let versions: string[] = []
  try {
    versions = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a))
  } catch {}
  return versions.map(version => join(DEBIAN, version, 'bin', program)).find(isExecutable) ?? null
}
