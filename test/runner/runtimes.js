/**
 * Gets JavaScript runtimes from the npm registry: `node@24`, `bun`, `deno`, each in a folder of its own below
 * `node_modules/.cache`, so that nobody who does not ask for them downloads them.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

const CACHE = resolve(import.meta.dirname, '../../node_modules/.cache/airlock-runtimes')

/** The folder of a runtime's program, whether it is there or not. */
export function folderOf (runtime) {
  return join(CACHE, runtime.replace('@', '-'), 'node_modules', '.bin')
}

/**
 * Installs a runtime unless it is there.
 *
 * @param runtime its package, with a version where that matters
 * @returns the folder of its program
 */
export function installRuntime (runtime) {
  const folder = folderOf(runtime)
  const [name] = runtime.split('@')
  if (isThere(folder, name)) return folder
  const prefix = join(CACHE, runtime.replace('@', '-'))
  mkdirSync(prefix, { recursive: true })
  // The programs of these packages are put in place by their install scripts, which npm runs for packages named here only.
  writeFileSync(join(prefix, 'package.json'), JSON.stringify({ private: true, allowScripts: { [name]: true } }))
  npm(['install', runtime, '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts=false'], { cwd: prefix, stdio: ['ignore', 'ignore', 'inherit'] })
  if (!isThere(folder, name)) throw new Error(`${runtime} brought no program for ${process.platform} on ${process.arch}`)
  return folder
}

/** The environment in which a runtime is found before all others. */
export function withRuntime (folder, env = process.env) {
  const name = Object.keys(env).find(name => name.toUpperCase() === 'PATH') ?? 'PATH'
  return { ...env, [name]: `${folder}${delimiter}${env[name]}` }
}

function isThere (folder, name) {
  return ['', '.cmd', '.exe'].some(ending => existsSync(join(folder, name + ending)))
}

/** On Windows npm is a script, which only a shell starts. */
function npm (args, options) {
  execFileSync('npm', args, { ...options, shell: process.platform === 'win32' })
}
