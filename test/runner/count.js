/**
 * Counts what this process runs of a package's `src` and writes it to the package's folder in `AIRLOCK_COVERAGE`, as
 * `NODE_V8_COVERAGE` would: that writes megabytes about Node, all dependencies and their source maps as well.
 */
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = process.env.AIRLOCK_COVERAGE
const sources = pathToFileURL(resolve(folder, '../../src')).href

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
process.once('exit', () => {
  session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
    const counted = result.filter(({ url }) => url.startsWith(`${sources}/`))
    if (counted.length > 0) writeFileSync(join(folder, `${randomUUID()}.json`), JSON.stringify({ result: counted }))
  })
})
