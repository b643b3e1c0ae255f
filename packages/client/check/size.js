// Prints what an import adds to a page: the built package with protocol, bundled, minified and gzipped.
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const LIMITS = {
  connect: { limit: 4700, from: '@fastify-airlock/client' },
  createWebSocketClass: { limit: 6400, from: '@fastify-airlock/client/websocket' }
}

for (const [name, { limit, from }] of Object.entries(LIMITS)) {
  const { outputFiles: [bundle] } = await build({
    stdin: {
      contents: `export { ${name} } from '${from}'`,
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
  console.log(`${name}: ${bundle.contents.length} bytes minified, ${size} gzipped, ${limit} allowed`)
  if (size > limit) process.exitCode = 1
}
