/** How Node finds and reads the TypeScript of this repository. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { strip } from './strip.js'

export function resolve (specifier, context, next) {
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
