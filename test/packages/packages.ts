/** The workspaces that are published, and their tarballs. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '../..')

export interface Workspace {
  name: string
  /** From the root, with slashes. */
  folder: string
  manifest: Manifest
}

export interface Manifest {
  name: string
  version: string
  private?: boolean
  description?: string
  keywords?: string[]
  homepage?: string
  bugs?: { url: string }
  repository?: { type: string, url: string, directory: string }
  publishConfig?: { access: string, provenance: boolean }
  bin?: Record<string, string>
  scripts?: Record<string, string>
  dependencies?: Record<string, string>
  exports?: Record<string, unknown>
}

/** Every workspace of the root, in the order of their folders. */
export function workspaces (): Workspace[] {
  const { workspaces } = readManifest('.') as Manifest & { workspaces: string[] }
  const folders = workspaces.flatMap(pattern => {
    if (!pattern.endsWith('/*')) return [pattern]
    const parent = pattern.slice(0, -2)
    return readdirSync(join(root, parent)).sort().map(name => `${parent}/${name}`)
  })
  return folders
    .filter(folder => existsSync(join(root, folder, 'package.json')))
    .map(folder => {
      const manifest = readManifest(folder)
      return { name: manifest.name, folder, manifest }
    })
}

/** The workspaces that `npm publish` would take. */
export function publishable (): Workspace[] {
  return workspaces().filter(({ manifest }) => manifest.private !== true)
}

/** @returns the tarball of each package, by name */
export async function pack (packages: Workspace[], folder: string): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true })
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder, ...packages.flatMap(({ folder }) => ['-w', folder])]
  const packed = JSON.parse(await run('npm', args, root)) as unknown
  // npm prints a list, or, since version 11.7, an object by name.
  const entries = (Array.isArray(packed) ? packed : Object.values(packed as object)) as Array<{ name: string, filename: string }>
  return Object.fromEntries(entries.map(({ name, filename }) => [name, join(folder, filename)]))
}

/** Writes a `package.json` and installs what it names. */
export async function install (folder: string, manifest: object, pnpm?: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', ...manifest }))
  if (pnpm !== undefined) await run(process.execPath, [pnpm, 'install', '--ignore-scripts', '--prefer-offline'], folder)
  else await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'], folder)
}

/** @returns what a command printed; throws it where it fails */
export async function run (command: string, args: string[], cwd: string, env = process.env): Promise<string> {
  // On Windows npm is a script for the command interpreter.
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' && command === 'npm' })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', text => { output += text })
  child.stderr.setEncoding('utf8').on('data', text => { errors += text })
  const [code] = await once(child, 'close') as [number | null]
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}\n${output}${errors}`)
  return output
}

function readManifest (folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest
}
