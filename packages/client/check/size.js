// Prints what each entry adds to a page: the built package with protocol, bundled, minified and gzipped.
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const CONNECT = "export { connect } from '@fastify-airlock/client'"
const TOPICS = "export { connectTopics } from '@fastify-airlock/client/topics'"

/** `beside`: what the page has already. */
const ENTRIES = [
  { name: 'connect', beside: '', contents: CONNECT, limit: 4700 },
  { name: 'createWebSocketClass', beside: '', contents: "export { createWebSocketClass } from '@fastify-airlock/client/websocket'", limit: 6400 },
  { name: 'connectTopics, beside connect', beside: CONNECT, contents: TOPICS, limit: 2048 },
  { name: 'connectPresence, beside connect', beside: CONNECT, contents: "export { connectPresence } from '@fastify-airlock/client/presence'", limit: 1536 }
]

async function measure (contents) {
  const { outputFiles: [bundle] } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('..', import.meta.url)) },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    minify: true,
    write: false,
    conditions: process.argv.slice(2)
  })
  return [bundle.contents.length, contents ? gzipSync(bundle.contents, { level: 9 }).length : 0]
}

for (const { name, beside, contents, limit } of ENTRIES) {
  const [bytesBefore, before] = await measure(beside)
  const [bytes, after] = await measure(`${beside}\n${contents}`)
  const size = after - before
  console.log(`${name}: ${bytes - bytesBefore} bytes minified, ${size} gzipped, ${limit} allowed`)
  if (size > limit) process.exitCode = 1
}
