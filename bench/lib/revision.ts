import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './build.js'
import type { Against } from './context.js'

const run = promisify(execFile)
const BIG = { maxBuffer: 64 * 1024 * 1024 }

/** A revision in a folder of its own, built, with the scripts of this one: the same servers on other packages. */
export async function checkOut (revision: string): Promise<Against & { remove (): Promise<void> }> {
  const { stdout } = await run('git', ['rev-parse', '--short', '--verify', `${revision}^{commit}`], { cwd: ROOT })
  const short = stdout.trim()
  const folder = await mkdtemp(join(tmpdir(), 'airlock-bench-'))
  const tree = join(folder, short)
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true })
    await run('git', ['worktree', 'prune'], { cwd: ROOT })
  }
  try {
    console.log(`${revision} is ${short}: checking it out, npm ci, npm run build`)
    await run('git', ['worktree', 'add', '--detach', tree, short], { cwd: ROOT })
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: tree, ...BIG })
    await run('npm', ['run', 'build'], { cwd: tree, ...BIG })
    await cp(join(ROOT, 'bench/dist'), join(tree, 'bench/dist'), { recursive: true })
    await writeFile(join(tree, 'bench/package.json'), '{"private":true,"type":"module"}\n')
  } catch (error) {
    await remove()
    throw error
  }
  return { revision: short, tree, remove }
}
