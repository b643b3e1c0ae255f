import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './build.js'
import { type Runtime } from './child.js'

const run = promisify(execFile)
const CACHE = join(ROOT, 'node_modules/.cache/airlock-bench')

/** What the servers run on besides the Node of the measuring process, as packages of the npm registry. */
const PACKAGES = [
  { name: 'node@20', kind: 'node' }, { name: 'node@22', kind: 'node' }, { name: 'node@24', kind: 'node' },
  { name: 'node@26', kind: 'node' }, { name: 'bun', kind: 'bun' }
] as const

/** Other runtimes, each installed once and kept; those that cannot be had are noted. */
export async function otherRuntimes (): Promise<{ runtimes: Runtime[], notes: string[] }> {
  const runtimes: Runtime[] = []
  const notes: string[] = []
  for (const { name, kind } of PACKAGES) {
    if (name === `node@${process.versions.node.split('.', 1)[0]}`) continue
    try {
      runtimes.push(await install(name, kind))
    } catch (error) {
      notes.push(`${name}: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`)
    }
  }
  return { runtimes, notes }
}

async function install (name: string, kind: Runtime['kind']): Promise<Runtime> {
  const folder = join(CACHE, name.replace('@', '-'))
  const path = join(folder, 'node_modules/.bin', kind)
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'package.json'), '{"private":true,"allowScripts":{"node":true,"bun":true}}\n')
    // Both packages fetch or link their program in a script of their own.
    await run('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', name], { cwd: folder })
  }
  const { stdout } = await run(path, ['--version'])
  return { name: `${kind === 'bun' ? 'Bun' : 'Node'} ${stdout.trim().replace(/^v/, '')}`, path, kind }
}
