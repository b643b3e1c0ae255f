import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Outcome } from '../lib/outcome.js'
import { ROOT } from '../lib/build.js'

/** One row as it was measured once. */
export interface Result extends Outcome {
  id: string
  title: string
  /** What the servers ran on. */
  runtime: string
  /** ISO 8601. */
  date: string
  machine: string
  /** Load average before and after. */
  load: string
  commit: string
  versions: Record<string, string>
}

/** Results by row and runtime, as they are kept. */
export type Results = Record<string, Result>

const FILE = join(ROOT, 'bench/results.json')

/** What a result is kept under: versions of one runtime replace each other. */
export function keyOf ({ id, runtime }: Pick<Result, 'id' | 'runtime'>): string {
  const [name = '', version = ''] = runtime.split(' ')
  return `${id} on ${name} ${version.split('.', 1)[0]}`
}

/** What was measured before. */
export async function readResults (): Promise<Results> {
  try {
    return JSON.parse(await readFile(FILE, 'utf8')) as Results
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

/** Digits that mean something, and no more. */
const rounded = (_key: string, value: unknown): unknown => typeof value === 'number' ? Number(value.toPrecision(4)) : value

/** Keeps them. */
export async function writeResults (results: Results): Promise<void> {
  await writeFile(FILE, `${JSON.stringify(results, rounded, 1)}\n`)
}
