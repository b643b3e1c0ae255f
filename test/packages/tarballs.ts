/**
 * Installs packages of this repository in another folder, as long as a registry does not have them: packs them, and
 * those that they depend on, into the folder's `airlock-tarballs`.
 *
 * Usage, after a build: `node --import tsx tarballs.ts <folder> [ticket guard ...]`, by default all packages
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { pack, publishable, run, type Workspace } from './packages.js'

const [folder, ...names] = process.argv.slice(2)
if (folder === undefined) throw new Error('Where to? npm run tarballs -- ../your-app ticket guard')
const app = resolve(folder)
const packages = publishable()
const wanted = new Set<Workspace>()
for (const name of names.length > 0 ? names : packages.map(({ folder }) => basename(folder))) add(find(name))

// Without one, npm would install in the nearest folder above that has one. The quick starts are ESM.
await mkdir(app, { recursive: true })
await writeFile(join(app, 'package.json'), '{\n  "private": true,\n  "type": "module"\n}\n', { flag: 'wx' }).catch((error: { code?: string }) => {
  if (error.code !== 'EEXIST') throw error
})
const tarballs = await pack([...wanted], join(app, 'airlock-tarballs'))
await run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...Object.values(tarballs)], app)
console.log(`Installed in ${app}: ${Object.keys(tarballs).join(', ')}`)

function add (workspace: Workspace): void {
  if (wanted.has(workspace)) return
  wanted.add(workspace)
  for (const name of Object.keys(workspace.manifest.dependencies ?? {})) {
    const dependency = packages.find(other => other.name === name)
    if (dependency !== undefined) add(dependency)
  }
}

function find (name: string): Workspace {
  const found = packages.find(({ folder, name: whole }) => basename(folder) === name || whole === name)
  if (found === undefined) throw new Error(`No package ${name}: there are ${packages.map(({ folder }) => basename(folder)).join(', ')}`)
  return found
}
