/**
 * Runs several files of tests in one process: starting Node and loading tap, Fastify and the plugins takes longer than
 * most files do. A file is loaded when the tests of the one before it have ended. The files stand in the environment,
 * since tap puts all arguments into the name of `t.testdir()`.
 */
import { once } from 'node:events'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

// From the first t.teardown() outside of a test tap ends by itself whenever it has nothing to do, and that it has not while
// the next file is being loaded.
t.teardown = t.after

for (const file of JSON.parse(process.env.AIRLOCK_TESTS)) {
  await import(pathToFileURL(resolve(file)).href)
  if (!t.idle) await once(t, 'idle')
}
t.end()
