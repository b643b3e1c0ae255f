import { accessSync, constants } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

/** Where downloads and environments are kept between runs. */
export const CACHE = resolve(import.meta.dirname, '../../../node_modules/.cache/airlock-servers')

/** Debian keeps servers where only root's PATH looks. */
const SERVER_FOLDERS = ['/usr/local/sbin', '/usr/sbin']

/** The first of the named programs that is on PATH or among the servers of the system, or `null`. */
export function which (...names: string[]): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '')
  for (const name of names) {
    for (const folder of [...folders, ...SERVER_FOLDERS]) {
      const path = join(folder, name)
      if (isExecutable(path)) return path
    }
  }
  return null
}

/** Whether `path` may be run. */
export function isExecutable (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
