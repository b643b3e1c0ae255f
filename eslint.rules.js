/** Rules of this repository that no well-kept plugin has. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'

/** What stands behind `from` or in `import()`, type imports included. */
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']*)'/g

/**
 * No file imports itself, by whatever way, with imports of types counted: import-x/no-cycle leaves those out, and a
 * circle of types is as hard to read and to take apart as any other.
 */
const noCircle = {
  meta: { type: 'problem', schema: [] },
  create (context) {
    const start = context.filename
    return {
      'ImportDeclaration, ExportNamedDeclaration[source], ExportAllDeclaration' (node) {
        const first = find(start, node.source.value)
        const circle = first && wayTo(start, first)
        if (circle) {
          const names = [start, ...circle].map(file => relative(dirname(start), file))
          context.report({ node, message: `A circle of imports: ${names.join(' → ')}` })
        }
      }
    }
  }
}

/** The files from `first` on to `start`, by the shortest way; `undefined` where there is none. */
function wayTo (start, first) {
  const ways = new Map([[first, [first]]])
  for (const [file, way] of ways) {
    if (file === start) return way
    for (const next of importsOf(file)) if (!ways.has(next)) ways.set(next, [...way, next])
  }
}

function importsOf (file) {
  return Array.from(readFileSync(file, 'utf8').matchAll(IMPORT), ([, specifier]) => find(file, specifier)).filter(Boolean)
}

/** The file that a relative import means: of another package none, since packages depend on each other in one direction. */
function find (from, specifier) {
  if (!specifier.startsWith('.')) return
  const path = resolve(dirname(from), specifier)
  return [path.replace(/\.js$/, '.ts'), path.replace(/\.js$/, '.tsx'), path].find(existsSync)
}

export default { rules: { 'no-circle': noCircle } }
