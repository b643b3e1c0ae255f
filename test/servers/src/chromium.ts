import type { Skip } from './found.js'
import { isExecutable, which } from './paths.js'

/** A browser that playwright can drive. */
export interface Chromium {
  /** The program. */
  path: string
}

/** `CHROMIUM_PATH`, else a Chromium or Chrome on PATH. Nothing is downloaded. */
export function findChromium (): Chromium | Skip {
  const { CHROMIUM_PATH } = process.env
  if (CHROMIUM_PATH) {
    return isExecutable(CHROMIUM_PATH) ? { path: CHROMIUM_PATH } : { skip: `CHROMIUM_PATH: ${CHROMIUM_PATH} cannot be run` }
  }
  const path = which('chromium', 'chromium-browser', 'google-chrome')
  return path === null ? { skip: 'no Chromium: set CHROMIUM_PATH or install one' } : { path }
}
