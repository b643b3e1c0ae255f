/**
 * All of tap in one file: it is 200 modules otherwise, each of which costs a message to the thread that Node 20 has the
 * hooks in, and every process of tests loads them. What was bundled once is kept until npm installs something.
 */
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'

const MODULES = resolve(import.meta.dirname, '../../node_modules')
const { version } = createRequire(import.meta.url)('tap/package.json')
const installed = statSync(join(MODULES, '.package-lock.json'), { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Where it is kept. tap leaves out of stack traces what is in a folder of this name. */
export const BUNDLE = join(MODULES, '.cache/airlock-tests/node_modules/@tapjs', `${version}-${Math.trunc(installed)}.mjs`)

/** Makes the file, unless it is there. Without it the tests have tap as it is installed. */
export async function bundleTap () {
  if (existsSync(BUNDLE)) return
  const { build } = await import('esbuild')
  // Several packages may come here at once: what is loaded is always whole.
  const mine = `${BUNDLE}.${process.pid}`
  await build({
    stdin: { contents: "export * from 'tap'\nexport { default } from 'tap'", resolveDir: import.meta.dirname },
    bundle: true,
    outfile: mine,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // What was written for require() needs one for Node's own modules.
    banner: { js: "import { createRequire as airlockRequire } from 'node:module'; const require = airlockRequire(import.meta.url);" },
    define: { 'process.env.NODE_ENV': '"production"' },
    alias: { 'async-hook-domain': join(import.meta.dirname, 'domain.js') },
    minifySyntax: true,
    plugins: [{ name: 'places', setup: keepPlaces }],
    logLevel: 'error'
  })
  renameSync(mine, BUNDLE)
}

/** What a module finds beside itself it looks for where it is installed. */
function keepPlaces ({ onLoad }) {
  onLoad({ filter: /[\\/]node_modules[\\/].*\.m?js$/ }, ({ path }) => {
    const source = readFileSync(path, 'utf8')
    if (!source.includes('import.meta.url')) return
    const place = relative(dirname(BUNDLE), path).split(sep).join('/')
    return { contents: source.replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, import.meta.url).href`), loader: 'js' }
  })
}
