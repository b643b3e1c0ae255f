import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './build.js'
import type { Runtime } from './child.js'
import type { Spec } from './server.js'

const run = promisify(execFile)
const SOURCES = join(ROOT, 'bench/native')
const CACHE = join(ROOT, 'node_modules/.cache/airlock-bench')

interface Native {
  label: string
  /** What prints the version of its language. */
  version: [string, ...string[]]
  /** @returns what is then run */
  build (): Promise<string>
}

/** Servers with the same two doors in other languages. */
const NATIVES: Native[] = [
  {
    label: 'Go',
    version: ['go', 'env', 'GOVERSION'],
    async build () {
      const program = join(CACHE, 'go-server')
      await run('go', ['build', '-o', program, '.'], { cwd: join(SOURCES, 'go') })
      return program
    }
  },
  {
    label: 'Rust',
    version: ['rustc', '--version'],
    async build () {
      await run('cargo', ['build', '--release', '--locked', '--target-dir', join(CACHE, 'rust')], { cwd: join(SOURCES, 'rust') })
      return join(CACHE, 'rust/release/airlock-bench-server')
    }
  }
]

/** What can be had of them here, and in which versions. */
interface Natives { specs: Spec[], notes: string[], versions: Record<string, string> }

/** Builds them where the tools are on the path, and adds one for Bun; the others are noted. */
export async function buildNatives (runtimes: readonly Runtime[]): Promise<Natives> {
  const specs: Spec[] = []
  const notes: string[] = []
  const versions: Record<string, string> = {}
  await mkdir(CACHE, { recursive: true })
  for (const { label, version: [program, ...args], build } of NATIVES) {
    try {
      specs.push({ label, variant: label, dialect: 'two doors', native: await build() })
      versions[label] = /\d[\d.]*/.exec((await run(program, args)).stdout)?.[0] ?? 'unknown'
    } catch (error) {
      notes.push(`${label}: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`)
    }
  }
  const bun = runtimes.find(({ kind }) => kind === 'bun')
  if (bun !== undefined) {
    specs.push({ label: 'Bun', variant: 'Bun', dialect: 'two doors', native: `${bun.path} ${join(SOURCES, 'bun/server.js')}` })
  }
  return { specs, notes, versions }
}
