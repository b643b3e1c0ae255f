/**
 * Runs the suites of the plugins against the newest `fastify`, `@fastify/*` and `ws` of the registry, in a copy of this
 * repository that is made in the temporary folder and removed afterwards: `npm run test:latest [plugin ...]`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const CACHE = 'node_modules/.cache/airlock-servers'
const NEWEST = /^(fastify|@fastify\/.+|ws)$/
const copy = mkdtempSync(join(tmpdir(), 'airlock-latest-'))
const plugins = process.argv.length > 2 ? process.argv.slice(2) : readdirSync(join(ROOT, 'plugins'))

try {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  for (const file of files.trim().split('\n')) cpSync(join(ROOT, file), join(copy, file))

  const versions = new Map()
  for (const file of files.match(/^.*package\.json$/gm)) setVersions(join(copy, file), versions)
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: copy, stdio: 'inherit' })
  // The programs that were downloaded for the tests do for the copy as well.
  mkdirSync(join(ROOT, CACHE), { recursive: true })
  mkdirSync(join(copy, CACHE, '..'), { recursive: true })
  symlinkSync(join(ROOT, CACHE), join(copy, CACHE))

  const results = plugins.map(plugin => {
    console.log(`\n== ${plugin}`)
    const { status } = spawnSync('npm', ['test', '--silent', '--', '--no-coverage'], { cwd: join(copy, 'plugins', plugin), stdio: 'inherit' })
    return `${plugin}: ${status === 0 ? 'passed' : 'failed'}`
  })
  console.log(`\n== with ${Array.from(versions, ([name, version]) => `${name} ${version}`).join(', ')}\n${results.join('\n')}`)
  process.exitCode = results.some(result => result.endsWith('failed')) ? 1 : 0
} finally {
  rmSync(copy, { recursive: true, force: true })
}

/** Asks for the newest of everything that is looked at here, as a dependency and as a peer. */
function setVersions (path, versions) {
  const manifest = JSON.parse(readFileSync(path, 'utf8'))
  for (const kind of ['dependencies', 'devDependencies', 'peerDependencies']) {
    for (const name of Object.keys(manifest[kind] ?? {})) {
      if (!NEWEST.test(name)) continue
      if (!versions.has(name)) versions.set(name, execFileSync('npm', ['view', name, 'version'], { encoding: 'utf8' }).trim())
      manifest[kind][name] = versions.get(name)
    }
  }
  writeFileSync(path, JSON.stringify(manifest, null, 2))
}
