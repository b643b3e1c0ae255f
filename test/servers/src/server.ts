import { execFile } from 'node:child_process'
import { chown, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './port.js'
import { ServerProcess } from './process.js'

/** A server to test against. */
export interface Server {
  /** What it is, for a person to read. */
  kind: string
  /** Its connection string, without a database. */
  url: string
  /** Stops it where it was started here; does nothing to one that was given. */
  stop (): Promise<void>
}

/** A server of one's own, to be treated badly. */
export interface PrivateServer extends Server {
  /** SIGKILL to it and all that it started; resolves once the processes are gone. The data stay. */
  kill (): Promise<void>
  /** SIGSTOP to it and all that it started; resolves once every thread stands still. Connections stay open, nothing answers. */
  pause (): Promise<void>
  /** SIGCONT. */
  resume (): void
  /** Starts it again after {@link kill}, on the same port and the same data. */
  restart (): Promise<void>
  /** Ends it and removes its data. */
  stop (): Promise<void>
}

/** How to run one kind of server. */
export interface Program {
  /** What it is, for a person to read. */
  kind: string
  /** The program. */
  command: string
  /** Its arguments, for a folder of data and a port of 127.0.0.1. */
  args: (folder: string, port: number) => string[]
  /** The server's line, on either output, that says that it is ready. */
  ready: RegExp
  /** A shell command that fills the folder, in which it runs, before the first start. */
  prepare?: string
  /** Whether it refuses to run as root. It then runs as nobody, who owns its folder. */
  refusesRoot?: boolean
  /** The user that its connection string names. */
  login?: string
}

/** Another suite may take a port between the moment it was found free and the start of the server. */
const MAX_TRIES = 3

/** The last words of a server whose port is taken. */
const PORT_TAKEN = /address already in use|failed listening on port|TCP\/IP sockets/i

/**
 * Starts a server in a new folder and on a free port. It dies with this process.
 *
 * @param scheme of its connection string; also names the folder
 * @throws an error of one line where it does not start
 */
export async function launch (scheme: string, program: Program): Promise<PrivateServer> {
  for (let tries = 1; ; tries++) {
    try {
      return await launchOn(await freePort(), scheme, program)
    } catch (error) {
      if (tries === MAX_TRIES || !PORT_TAKEN.test((error as Error).message)) throw error
    }
  }
}

async function launchOn (port: number, scheme: string, { command, args, ready, kind, prepare, refusesRoot, login }: Program): Promise<PrivateServer> {
  const folder = await mkdtemp(join(tmpdir(), `airlock-${scheme}-`))
  const user = refusesRoot && process.getuid?.() === 0 ? await nobody() : undefined
  if (user !== undefined) await chown(folder, user.uid, user.gid)
  const start = async (command: string, args: string[]): Promise<ServerProcess> => {
    const server = await ServerProcess.start({ command, args, ready, folder, user })
    server.unref()
    return server
  }
  const given = args(folder, port)
  let server = prepare === undefined
    ? await start(command, given)
    : await start('sh', ['-c', `{ ${prepare}; } >/dev/null && exec "$0" "$@"`, command, ...given])
  return {
    kind,
    url: `${scheme}://${login === undefined ? '' : `${login}@`}127.0.0.1:${port}`,
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => { server = await start(command, given) },
    stop: () => server.stop()
  }
}

async function nobody (): Promise<{ uid: number, gid: number }> {
  const [uid, gid] = await Promise.all(['-u', '-g'].map(async flag => Number((await promisify(execFile)('id', [flag, 'nobody'])).stdout)))
  return { uid, gid } as { uid: number, gid: number }
}
