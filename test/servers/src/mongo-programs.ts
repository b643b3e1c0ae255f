import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { CACHE, isExecutable, which } from './paths.js'

const run = promisify(execFile)

/** The release that was tried against the driver. GPL: a program that the tests talk to, never a dependency. */
const SECANTUS_VERSION = '0.7.0b3'

/** Where nothing has come by then, downloads are not possible here. In milliseconds. */
const FIRST_BYTE_TIMEOUT = 4_000

/** Time for a whole download, in milliseconds. */
const DOWNLOAD_TIMEOUT = 90_000

/** For how long one failed download is taken as the answer for all, in milliseconds. */
const FAILURE_LIFE = 60 * 60_000

/** In a process of its own: a download cannot be cancelled from within, and an open one keeps its process alive. */
const DOWNLOAD = `
  import { MongoBinary } from 'mongodb-memory-server-core'
  MongoBinary.getPath({ downloadDir: process.argv[1] }).then(
    path => process.stdout.write(path),
    error => { process.stderr.write(String(error.message).split('\\n', 1)[0]); process.exitCode = 1 }
  )`

/**
 * The mongod that mongodb-memory-server-core downloads, kept for the next time.
 *
 * @throws an error of one line
 */
export async function downloadedMongod (): Promise<string> {
  const kept = join(CACHE, 'mongod')
  const failure = join(CACHE, 'mongod-download-failed')
  const name = existsSync(kept) ? (await readdir(kept)).find(name => isExecutable(join(kept, name))) : undefined
  if (name !== undefined) return join(kept, name)
  if (existsSync(failure) && Date.now() - (await stat(failure)).mtimeMs < FAILURE_LIFE) {
    throw new Error('mongod could not be downloaded a while ago')
  }
  // Nobody else looks into this folder, so locks and half a download go with it.
  const folder = `${kept}.${process.pid}`
  await mkdir(folder, { recursive: true })
  try {
    const path = await download(folder)
    await rename(folder, kept)
    return join(kept, path.slice(folder.length + 1))
  } catch (error) {
    await writeFile(failure, '')
    throw new Error(`mongod cannot be downloaded: ${(error as Error).message}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function download (folder: string): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', DOWNLOAD, folder], {
    cwd: resolve(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let [path, problem, late] = ['', '', '']
  child.stdout.on('data', (chunk: Buffer) => { path += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { problem += chunk.toString() })
  const stop = (reason: string): void => {
    late = reason
    child.kill('SIGKILL')
  }
  const first = setTimeout(async () => {
    if (!await hasBytes(folder)) stop(`nothing came within ${FIRST_BYTE_TIMEOUT} ms`)
  }, FIRST_BYTE_TIMEOUT)
  const whole = setTimeout(() => stop(`not complete within ${DOWNLOAD_TIMEOUT} ms`), DOWNLOAD_TIMEOUT)
  const [code] = await once(child, 'close')
  clearTimeout(first)
  clearTimeout(whole)
  if (code !== 0) throw new Error(late || problem)
  return path
}

async function hasBytes (folder: string): Promise<boolean> {
  const archives = (await readdir(folder)).filter(name => !name.endsWith('.lock'))
  const sizes = await Promise.all(archives.map(async name => (await stat(join(folder, name))).size))
  return sizes.some(size => size > 0)
}

/** How to run SecantusDB. */
export interface Secantus {
  /** The interpreter of the virtual environment. */
  python: string
  /** The server's script, to be given to the interpreter. */
  script: string
  version: string
}

/**
 * SecantusDB in a virtual environment that is made once and kept.
 *
 * @throws an error of one line
 */
export async function secantus (): Promise<Secantus> {
  const kept = join(CACHE, `secantus-${SECANTUS_VERSION}`)
  if (!existsSync(kept)) await makeEnvironment(kept)
  return { python: join(kept, 'bin/python'), script: join(kept, 'bin/secantusd-py'), version: SECANTUS_VERSION }
}

async function makeEnvironment (kept: string): Promise<void> {
  const python = which('python3')
  if (python === null) throw new Error('no python3 on PATH')
  // Several suites may come here at once: each makes its own, the first one in place serves them all.
  const folder = `${kept}.${process.pid}`
  try {
    await mkdir(CACHE, { recursive: true })
    await run(python, ['-m', 'venv', folder])
    await run(join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--no-input', `SecantusDB==${SECANTUS_VERSION}`])
    await rename(folder, kept)
  } catch (error) {
    if (!existsSync(kept)) throw new Error(`SecantusDB cannot be installed: ${lastLine(error as Error & { stderr?: string })}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function lastLine (error: Error & { stderr?: string }): string {
  return (error.stderr || error.message).trim().split('\n').at(-1) as string
}
