/**
 * Runs several files of tests in one process: starting Node and loading tap, Fastify and the plugins takes longer than
 * most files do. All tests wait in one queue of tap's, so that one file's come after another's. The files stand in the
 * environment, since tap puts all arguments into the name of `t.testdir()`.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

for (const file of JSON.parse(process.env.AIRLOCK_TESTS)) await import(pathToFileURL(resolve(file)).href)
