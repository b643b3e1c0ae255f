import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { Report } from 'c8'
import { strip } from './strip.js'

const FOLDER = resolve('.tap/v8')

/** Makes an empty folder for the counts of all processes; the value of `AIRLOCK_COVERAGE`. */
export function collect () {
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  return FOLDER
}

/**
 * Whether the package's sources were run in full; prints where they were not. A file that nobody loads has no counts,
 * and is not covered either.
 */
export async function isCovered () {
  const report = new Report({
    include: ['src/**'],
    extension: ['.ts'],
    reporter: ['text'],
    tempDirectory: FOLDER,
    reportsDirectory: resolve('.tap/report'),
    skipFull: true
  })
  const counted = await report.getCoverageMapFromAllCoverageFiles()
  const summary = counted.getCoverageSummary()
  const covered = ['lines', 'statements', 'branches', 'functions'].every(kind => summary[kind].pct === 100)
  if (!covered) await report.run()
  const unused = sources().filter(file => !counted.files().includes(file))
  for (const file of unused) console.log(`${relative('.', file)} was never loaded`)
  return covered && unused.length === 0
}

/** All files that hold more than types. */
function sources () {
  return readdirSync('src', { recursive: true })
    .filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map(name => resolve('src', name))
    .filter(file => strip(file).replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, '').trim() !== '')
}
