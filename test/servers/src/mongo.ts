import type { Skip } from './found.js'
import { downloadedMongod, secantus } from './mongo-programs.js'
import { which } from './paths.js'
import { launch, type PrivateServer, type Program } from './server.js'
import { rowOf } from './table.js'

/** A private MongoDB, to be treated badly. */
export type MongoServer = PrivateServer

/**
 * Starts a private MongoDB, whatever `MONGODB_URL` says: `mongod` on PATH; else the mongod that
 * `mongodb-memory-server-core` downloads where that works; else SecantusDB from PyPI in a virtual environment.
 * It dies with this process.
 */
export async function startMongo (): Promise<PrivateServer | Skip> {
  const reasons: string[] = []
  for (const find of [installedMongod, downloaded, secantusDb]) {
    try {
      const program = await find()
      return await launch('mongodb', program)
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  return { skip: `no mongodb: ${reasons.join('; ')}` }
}

async function installedMongod (): Promise<Program> {
  const { program } = rowOf('mongodb')
  const path = which(program)
  if (path === null) throw new Error(`no ${program} on PATH`)
  return { kind: `${program} (${path})`, ...mongod(path) }
}

async function downloaded (): Promise<Program> {
  return { kind: 'mongod (downloaded)', ...mongod(await downloadedMongod()) }
}

async function secantusDb (): Promise<Program> {
  const { python, script, version } = await secantus()
  return {
    kind: `SecantusDB ${version}`,
    command: python,
    args: (folder, port) => [script, '--host', '127.0.0.1', '--port', String(port), '--standalone', '--storage-path', folder],
    ready: /listening on /
  }
}

function mongod (path: string): Omit<Program, 'kind'> {
  return {
    command: path,
    args: (folder, port) => ['--bind_ip', '127.0.0.1', '--port', String(port), '--dbpath', folder, '--nounixsocket'],
    ready: /waiting for connections/i
  }
}
