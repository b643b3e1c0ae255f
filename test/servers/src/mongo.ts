import type { Skip } from './found.js'
import { downloadedMongod, secantus } from './mongo-programs.js'
import { which } from './paths.js'
import { launch, type PrivateServer, type Program, type Server } from './server.js'

/** A MongoDB to test against. */
export type Mongo = Server

/** A MongoDB of one's own, to be treated badly. */
export type MongoServer = PrivateServer

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
      return await launch('mongodb', program)
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  return { skip: `no MongoDB: ${reasons.join('; ')}` }
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
