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

/** Servers with the same two doors in other languages: how each is built, and what is then run. */
const NATIVES: Array<{ label: string, build (): Promise<string> }> = [
  {
    label: 'Go',
    async build () {
      const program = join(CACHE, 'go-server')
      await run('go', ['build', '-o', program, '.'], { cwd: join(SOURCES, 'go') })
      return program
    }
  },
  {
    label: 'Rust',
    async build () {
      await run('cargo', ['build', '--release', '--locked', '--target-dir', join(CACHE, 'rust')], { cwd: join(SOURCES, 'rust') })
      return join(CACHE, 'rust/release/airlock-bench-server')
    }
  }
]

/** Builds them where the tools are on the path, and adds one for Bun; the others are noted. */
export async function buildNatives (runtimes: readonly Runtime[]): Promise<{ specs: Spec[], notes: string[] }> {
  const specs: Spec[] = []
  const notes: string[] = []
  await mkdir(CACHE, { recursive: true })
  for (const { label, build } of NATIVES) {
    try {
      specs.push({ label, variant: label, dialect: 'two doors', native: await build() })
    } catch (error) {
      notes.push(`${label}: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`)
    }
  }
  const bun = runtimes.find(({ kind }) => kind === 'bun')
  if (bun !== undefined) {
    specs.push({ label: 'Bun', variant: 'Bun', dialect: 'two doors', native: `${bun.path} ${join(SOURCES, 'bun/server.js')}` })
  }
  return { specs, notes }
}
