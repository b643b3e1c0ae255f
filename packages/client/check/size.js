// Prints what `import { connect }` adds to a page: the built package with protocol, bundled, minified and gzipped.
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const LIMIT = 4550

const { outputFiles: [bundle] } = await build({
  stdin: {
    contents: "export { connect } from '@fastify-airlock/client'",
    resolveDir: fileURLToPath(new URL('..', import.meta.url))
  },
  bundle: true,
  format: 'esm',
  platform: 'browser',
  minify: true,
  write: false,
  conditions: process.argv.slice(2)
})
const size = gzipSync(bundle.contents, { level: 9 }).length
console.log(`connect: ${bundle.contents.length} bytes minified, ${size} gzipped, ${LIMIT} allowed`)
if (size > LIMIT) process.exitCode = 1
