import { mkdirSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { Report } from 'c8'

const FOLDER = resolve('.tap/v8')

/** Makes an empty folder for the counts of all processes; the value of `AIRLOCK_COVERAGE`. */
export function collect () {
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  return FOLDER
}

/** Whether the package's sources were run in full; prints where they were not. */
export async function isCovered () {
  const report = new Report({
    include: ['src/**'],
    extension: ['.ts'],
    reporter: ['text'],
    tempDirectory: FOLDER,
    reportsDirectory: resolve('.tap/report'),
    skipFull: true
  })
  const summary = (await report.getCoverageMapFromAllCoverageFiles()).getCoverageSummary()
  const covered = ['lines', 'statements', 'branches', 'functions'].every(kind => summary[kind].pct === 100)
  if (!covered) await report.run()
  return covered
}
