import { readFileSync } from 'node:fs'

/** A program that tests talk to: a row of `servers.json`, which everything that has to know of it reads. */
export interface ProgramRow {
  /** What it is called in messages. */
  name: string
  /** The environment variable that gives one, where one may be given: a connection string, or a program's path. */
  variable?: string
  /** Its program on PATH. */
  program: string
  /** The Debian package that has it, or has what takes its place. */
  package: string
  /** A shell command that fails without the package, where looking for the program is not enough. */
  check?: string
}

/** The programs that tests talk to. */
export const PROGRAMS: readonly ProgramRow[] = JSON.parse(readFileSync(new URL('../servers.json', import.meta.url), 'utf8'))

/** The row of one that has a variable. */
export function rowOf (name: string): ProgramRow & { variable: string } {
  const row = PROGRAMS.find(row => row.name === name)
  if (row?.variable === undefined) throw new Error(`servers.json has no row ${name} with a variable`)
  return row as ProgramRow & { variable: string }
}
