/**
 * Runs several files of tests in one process: starting Node and loading tap, Fastify and the plugins takes longer than
 * most files do. All tests wait in one queue of tap's, so that one file's come after another's.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href)
