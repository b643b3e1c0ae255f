import type { Skip } from './found.js'
import { isExecutable, which } from './paths.js'
import { rowOf } from './table.js'

/** A browser that playwright can drive. */
export interface Chromium {
  /** The program. */
  path: string
}

/** `CHROMIUM_PATH`, else a Chromium or Chrome on PATH. Nothing is downloaded. */
export function findChromium (): Chromium | Skip {
  const { variable, program, package: debian } = rowOf('chromium')
  const given = process.env[variable]
  if (given) return isExecutable(given) ? { path: given } : { skip: `${variable}: ${given} cannot be run` }
  const path = which(program, 'chromium-browser', 'google-chrome')
  return path === null ? { skip: `no chromium: set ${variable} or install ${debian}` } : { path }
}
