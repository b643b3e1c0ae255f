import { build, type Plugin } from 'esbuild'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { parts } from './peers.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The last commit without signs of life, rates, paces, and the time to flush before a close. */
export const COMMIT = 'dc9b07c'

/** What the packages of that commit export. */
export type Before = typeof parts

const SOURCE = `
export { connect } from '@fastify-airlock/client'
export { websocketOptions } from '@fastify-airlock/core'
export { default as wsGuard } from '@fastify-airlock/guard'
export { default as wsHandshake } from '@fastify-airlock/handshake'
export { default as wsHeartbeat } from '@fastify-airlock/heartbeat'
export { default as wsHub } from '@fastify-airlock/hub'
export { default as wsTickets } from '@fastify-airlock/ticket'
`

/** Whether the history goes back so far. A shallow clone has none, and a tarball no history at all. */
export function isKnown (): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${COMMIT}^{commit}`], { cwd: ROOT, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Builds client and server plugins of that commit from the history. What they depend on is what is installed. */
export async function loadBefore (): Promise<Before> {
  const sources = await mkdtemp(join(tmpdir(), 'airlock-before-'))
  // Inside of the repository, so that what stays outside of the bundle is found.
  const cache = join(ROOT, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  const bundle = join(cache, `before-${COMMIT}-${process.pid}.mjs`)
  try {
    const archive = execFileSync('git', ['archive', COMMIT, 'packages', 'plugins'], { cwd: ROOT, maxBuffer: 1 << 28 })
    execFileSync('tar', ['-x', '-C', sources], { input: archive })
    const ours: Plugin = {
      name: 'packages of that commit',
      setup: build => build.onResolve({ filter: /^@fastify-airlock\/\w+$/ }, ({ path }) => {
        const name = path.slice('@fastify-airlock/'.length)
        const folder = ['packages', 'plugins'].map(folder => resolve(sources, folder, name)).find(folder => existsSync(folder))
        return { path: join(folder as string, 'src', 'index.ts') }
      })
    }
    await build({
      stdin: { contents: SOURCE, resolveDir: sources },
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      packages: 'external',
      plugins: [ours],
      outfile: bundle,
      logLevel: 'error'
    })
    return await import(pathToFileURL(bundle).href)
  } finally {
    await Promise.all([rm(sources, { recursive: true, force: true }), rm(bundle, { force: true })])
  }
}
