import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './port.js'
import { type ServerCommand, ServerProcess } from './process.js'

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
  /** SIGKILL; resolves once the process is gone. The data stay. */
  kill (): Promise<void>
  /** SIGSTOP; resolves once every thread stands still. Connections stay open, nothing answers. */
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
  /** The command, for a folder of data and a port of 127.0.0.1. */
  command: (folder: string, port: number) => ServerCommand
}

/**
 * Starts a server in a new folder and on a free port. It dies with this process.
 *
 * @param scheme of its connection string; also names the folder
 */
export async function launch (scheme: string, { kind, command }: Program): Promise<PrivateServer> {
  const folder = await mkdtemp(join(tmpdir(), `airlock-${scheme}-`))
  const port = await freePort()
  const start = async (): Promise<ServerProcess> => {
    const server = await ServerProcess.start(command(folder, port))
    server.unref()
    return server
  }
  let server = await start()
  return {
    kind,
    url: `${scheme}://127.0.0.1:${port}`,
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => { server = await start() },
    stop: () => server.stop()
  }
}
