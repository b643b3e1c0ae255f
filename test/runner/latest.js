/**
 * Runs the suites of the plugins against the newest `fastify`, `@fastify/*` and `ws` of the registry, in a copy of this
 * repository that is made in the temporary folder and removed afterwards: `npm run test:latest [plugin ...]`. Then once
 * more with the newest prerelease of the next Fastify, where there is one; of that the results are printed, and no more.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { installRuntime, withRuntime } from './runtimes.js'

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

  const results = test(plugins)
  console.log(`\n== with ${Array.from(versions, ([name, version]) => `${name} ${version}`).join(', ')}\n${results.join('\n')}`)
  process.exitCode = results.some(result => result.endsWith('failed')) ? 1 : 0

  const next = nextFastify(versions.get('fastify'))
  if (next !== undefined) {
    for (const file of files.match(/^.*package\.json$/gm)) setVersions(join(copy, file), new Map([...versions, ['fastify', next]]))
    // No plugin of others names a prerelease as a peer: neither npm nor Fastify may look at that.
    execFileSync('npm', ['install', '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: copy, stdio: 'inherit' })
    allowAnyFastify(files)
    // It has given up Node 20.
    console.log(`\n== with fastify ${next}, which need not pass\n${test(plugins, withRuntime(installRuntime('node@24'))).join('\n')}`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}

/** Runs the suites of plugins. */
function test (plugins, env = process.env) {
  return plugins.map(plugin => {
    console.log(`\n== ${plugin}`)
    const { status } = spawnSync('npm', ['test', '--silent', '--', '--no-coverage'], { cwd: join(copy, 'plugins', plugin), env, stdio: 'inherit' })
    return `${plugin}: ${status === 0 ? 'passed' : 'failed'}`
  })
}

/** The newest prerelease of a Fastify that is newer than this one. */
function nextFastify (current) {
  const versions = JSON.parse(execFileSync('npm', ['view', 'fastify', 'versions', '--json'], { encoding: 'utf8' }))
  return versions.findLast(version => version.includes('-') && Number.parseInt(version) > Number.parseInt(current))
}

/** Takes the range of Fastify out of our plugins and out of those of `@fastify`. */
function allowAnyFastify (files) {
  const folder = join(copy, 'node_modules/@fastify')
  const others = readdirSync(folder, { recursive: true }).filter(name => /^[^/\\]+[/\\].*\.[cm]?js$/.test(name) && !name.includes('node_modules')).map(name => join(folder, name))
  const ours = files.match(/^plugins\/.*\.ts$/gm).map(name => join(copy, name))
  for (const file of [...ours, ...others]) {
    const text = readFileSync(file, 'utf8')
    const free = text.replace(/\bfastify: '(?:\^?5|>=? ?5)[\w.]*'/g, "fastify: '>=5.0.0-0 || >=6.0.0-0'")
    if (free !== text) writeFileSync(file, free)
  }
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
