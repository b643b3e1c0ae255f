import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import ts from 'typescript'

/** The root of the repository. */
export const ROOT = join(import.meta.dirname, '../..')

/** Folders of bench/ that other processes run. */
const FOLDERS = ['lib', 'load', 'servers']

async function newest (folder: string): Promise<number> {
  if (!existsSync(folder)) return 0
  const files = await readdir(folder, { recursive: true })
  const times = await Promise.all(files.map(async file => {
    const { mtimeMs } = await stat(join(folder, file))
    return mtimeMs
  }))
  return Math.max(0, ...times)
}

/** Builds the packages where one of them is newer than what was built of it: they are measured as published. */
export async function buildPackages (): Promise<void> {
  for (const folder of ['packages', 'plugins']) {
    for (const name of await readdir(join(ROOT, folder))) {
      const built = await newest(join(ROOT, folder, name, 'dist'))
      if (built > await newest(join(ROOT, folder, name, 'src'))) continue
      console.log('Some packages are not built, or changed since: npm run build')
      const { status } = spawnSync('npm', ['run', 'build'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] })
      if (status !== 0) throw new Error('npm run build failed')
      return
    }
  }
}

/**
 * Makes JavaScript of the scripts that run in processes of their own: a loader of TypeScript in them would be measured
 * as well, and other runtimes may not have one.
 */
export async function buildScripts (): Promise<void> {
  for (const folder of FOLDERS) {
    for (const file of await readdir(join(ROOT, 'bench', folder), { recursive: true })) {
      if (!file.endsWith('.ts')) continue
      const source = await readFile(join(ROOT, 'bench', folder, file), 'utf8')
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true }
      })
      const target = join(ROOT, 'bench/dist', folder, file.replace(/\.ts$/, '.js'))
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, outputText)
    }
  }
}
