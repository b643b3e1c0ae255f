import { parseArgs } from 'node:util'
import { ROWS } from '../rows/index.js'
import type { Sizes } from './context.js'
import type { Row } from './outcome.js'

/** What was asked for. */
export interface Options {
  rows: readonly Row[]
  sizes: Sizes
  full: boolean
  /** What the names of the runtimes begin with. */
  on: string
  /** Whether the results are kept. */
  write: boolean
  against: string | undefined
}

const USAGE = `npm run bench -- [options]

  --quick           few rounds of little: whether everything works, no figures to rely on; nothing is written
  --full            adds other peers, algorithms, versions of Node, Bun and numbers of connections
  --on NAME         with --full: only the runtimes whose name begins so, such as "Node 24" or Bun
  --rows a,b        ${ROWS.map(({ id }) => id).join(', ')}
  --rounds n        rounds that count; as many processes, storms and so on
  --against REV     compares this tree with a commit; nothing is written
  --write           writes bench/results.json, bench/RESULTS.md and docs/images/bench.svg after --quick as well
`

/** Connections at which the event loop is watched, where a process may have so many descriptors. */
const CROWD = 19_600

/** The process needs some descriptors for itself. */
const SPARE = 400

/** @returns `null` where help was asked for and given */
export function readOptions (args: string[]): Options | null {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      on: { type: 'string', default: '' },
      rows: { type: 'string' },
      rounds: { type: 'string' },
      against: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return null
  }
  const { quick, full, on, against } = values
  return {
    rows: chooseRows(values.rows, full, against !== undefined),
    sizes: sizesFor(quick, values.rounds === undefined ? undefined : Number(values.rounds)),
    full,
    on,
    against,
    write: against === undefined && (values.write || !quick)
  }
}

function chooseRows (names: string | undefined, full: boolean, against: boolean): readonly Row[] {
  if (names === undefined) {
    return ROWS.filter(row => (full || row.full !== true) && (!against || row.against === true))
  }
  return names.split(',').map(name => {
    const row = ROWS.find(({ id }) => id === name.trim())
    if (row === undefined) throw new Error(`no row is called ${name}\n\n${USAGE}`)
    if (against && row.against !== true) throw new Error(`the row ${name} does not compare revisions`)
    return row
  })
}

function sizesFor (quick: boolean, rounds: number | undefined): Sizes {
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds needs a number\n\n${USAGE}`)
  const crowd = Math.min(CROWD, descriptors() - SPARE)
  return quick
    ? {
        rounds: rounds ?? 3,
        warmUp: 2,
        handshakes: 300,
        idle: 1_000,
        idleRounds: rounds ?? 1,
        rest: 500,
        forget: 0,
        receivers: 500,
        messages: 5_000,
        crowd: Math.min(3_000, crowd),
        crowdRounds: rounds ?? 3,
        storm: 2_000,
        storms: 1,
        first: 1_000,
        firstRounds: rounds ?? 2
      }
    : {
        rounds: rounds ?? 11,
        warmUp: 6,
        handshakes: 1_000,
        idle: 5_000,
        idleRounds: rounds ?? 3,
        rest: 3_000,
        forget: 65_000,
        receivers: 1_000,
        messages: 20_000,
        crowd,
        crowdRounds: rounds ?? 7,
        storm: 10_000,
        storms: rounds ?? 3,
        first: 1_000,
        firstRounds: rounds ?? 11
      }
}

/** How many files a process may have open. Node raises its own limit to the hard one. */
export function descriptors (): number {
  const { userLimits } = process.report.getReport() as unknown as { userLimits?: { open_files?: { hard: number | 'unlimited' } } }
  const hard = userLimits?.open_files?.hard ?? 1024
  return hard === 'unlimited' ? CROWD + SPARE : hard
}
