/**
 * Measures Airlock beside what else one would use: `npm run bench -- --help`.
 */
import { buildPackages } from './lib/build.js'

await buildPackages()
// Some rows import what has just been built.
await import('./measure.js')
