/**
 * Makes what the processes of tests load, before any of them starts: each of them would have to load TypeScript for the
 * files that nobody has stripped yet. Where everything is kept already, this only reads.
 */
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { strip } from './strip.js'
import { bundleTap } from './tap.js'

const ROOT = resolve(import.meta.dirname, '../..')
/** What holds no source of ours. */
const LEFT_OUT = /^\.|^(node_modules|dist)$/

await bundleTap()
for (const folder of ['apps', 'packages', 'plugins', 'test']) stripIn(join(ROOT, folder))

function stripIn (folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!LEFT_OUT.test(entry.name)) stripIn(path)
    } else if (/(?<!\.d)\.ts$/.test(entry.name)) {
      try {
        strip(path)
      } catch {
        // The process that loads such a file says so.
      }
    }
  }
}
