import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Skip } from './found.js'
import { downloadedMongod, secantus } from './mongo-programs.js'
import { freePort } from './port.js'
import { which } from './paths.js'
import { type ServerCommand, ServerProcess } from './process.js'

/** A MongoDB to test against. */
export interface Mongo {
  /** What it is, for a person to read. */
  kind: string
  /** Its connection string, without a database. */
  url: string
  /** Stops it where it was started here; does nothing to one that was given. */
  stop (): Promise<void>
}

/** A MongoDB of one's own, to be treated badly. */
export interface MongoServer extends Mongo {
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

interface Program {
  kind: string
  command: (folder: string, port: number) => ServerCommand
}

/**
 * The MongoDB that suites share: `MONGODB_URL` where it is set, else one of {@link startMongo}. Suites keep apart by
 * the names of their databases.
 */
export async function findMongo (): Promise<Mongo | Skip> {
  const { MONGODB_URL } = process.env
  return MONGODB_URL ? { kind: 'MONGODB_URL', url: MONGODB_URL, stop: async () => {} } : await startMongo()
}

/**
 * Starts a private MongoDB, whatever `MONGODB_URL` says: `mongod` on PATH; else the mongod that
 * `mongodb-memory-server-core` downloads where that works; else SecantusDB from PyPI in a virtual environment.
 * It dies with this process.
 */
export async function startMongo (): Promise<MongoServer | Skip> {
  const reasons: string[] = []
  for (const find of [installedMongod, downloaded, secantusDb]) {
    try {
      const program = await find()
      return await launch(program)
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  return { skip: `no MongoDB: ${reasons.join('; ')}` }
}

async function launch ({ kind, command }: Program): Promise<MongoServer> {
  const folder = await mkdtemp(join(tmpdir(), 'airlock-mongo-'))
  const port = await freePort()
  const start = async (): Promise<ServerProcess> => {
    const server = await ServerProcess.start(command(folder, port))
    server.unref()
    return server
  }
  let server = await start()
  return {
    kind,
    url: `mongodb://127.0.0.1:${port}`,
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => { server = await start() },
    stop: () => server.stop()
  }
}

async function installedMongod (): Promise<Program> {
  const path = which('mongod')
  if (path === null) throw new Error('no mongod on PATH')
  return { kind: `mongod (${path})`, command: mongodCommand(path) }
}

async function downloaded (): Promise<Program> {
  return { kind: 'mongod (downloaded)', command: mongodCommand(await downloadedMongod()) }
}

async function secantusDb (): Promise<Program> {
  const { python, script, version } = await secantus()
  return {
    kind: `SecantusDB ${version}`,
    command: (folder, port) => ({
      command: python,
      args: [script, '--host', '127.0.0.1', '--port', String(port), '--standalone', '--storage-path', folder],
      ready: /listening on /,
      folder
    })
  }
}

function mongodCommand (path: string): Program['command'] {
  return (folder, port) => ({
    command: path,
    args: ['--bind_ip', '127.0.0.1', '--port', String(port), '--dbpath', folder, '--nounixsocket'],
    ready: /waiting for connections/i,
    folder
  })
}
