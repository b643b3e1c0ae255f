import t from 'tap'
import { readFile } from 'node:fs/promises'

const root = new URL('../', import.meta.url)
const { exports, peerDependenciesMeta } = JSON.parse(await readFile(new URL('package.json', root), 'utf8'))
const optional = Object.keys(peerDependenciesMeta)

/** The packages that a source file and all it imports of this package name, types included. */
async function importsOf (file: URL, seen = new Map<string, string[]>()): Promise<string[]> {
  if (!seen.has(file.href)) {
    const source = await readFile(file, 'utf8')
    const names = [...source.matchAll(/(?:\bfrom|\bimport\(|^import) ?'([^']+)'/gm)].map(([, name]) => name as string)
    seen.set(file.href, names.filter(name => !name.startsWith('.')))
    for (const name of names) if (name.startsWith('.')) await importsOf(new URL(name.replace(/\.js$/, '.ts'), file), seen)
  }
  return [...seen.values()].flat()
}

t.test('an entry imports no optional package, not even for a type', async t => {
  for (const [name, entry] of Object.entries<Record<string, string> | string>(exports)) {
    if (typeof entry === 'string') continue
    const imports = await importsOf(new URL(entry['@fastify-airlock/source'] as string, root))
    t.same(optional.filter(name => imports.includes(name)), [], name)
  }
})
