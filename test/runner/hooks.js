/** How Node finds and reads the TypeScript of this repository. */
import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { strip } from './strip.js'
import { BUNDLE } from './tap.js'

/** Instead of the package that tap imports. */
const DOMAIN = new URL('domain.js', import.meta.url).href

/** Where nobody has bundled it, tap as it is installed. */
const TAP = existsSync(BUNDLE) ? pathToFileURL(BUNDLE).href : null

export function resolve (specifier, context, next) {
  if (specifier === 'tap' && TAP !== null) return { url: TAP, format: 'module', shortCircuit: true }
  if (specifier === 'async-hook-domain') return { url: DOMAIN, format: 'module', shortCircuit: true }
  // As TypeScript has it: './x.js' in a .ts file means './x.ts' where that exists.
  if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts')) {
    const url = new URL(specifier.replace(/js$/, 'ts'), context.parentURL)
    if (existsSync(url)) return { url: url.href, format: 'module', shortCircuit: true }
  }
  return next(specifier, context)
}

export function load (url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  return { format: 'module', source: strip(fileURLToPath(url)), shortCircuit: true }
}
