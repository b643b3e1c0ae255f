import { readFileSync } from 'node:fs'
import { text as readText } from 'node:stream/consumers'
import { parseEnv } from 'node:util'
import { type ArgumentName, type CommandLine, help, readArguments, VARIABLES } from './arguments.js'
import { UsageError } from './errors.js'
import { examine, type ExamineHooks } from './examine.js'
import type { DoctorOptions } from './options.js'
import { ExitCode, exitCodeOf, type Plan, type Report } from './report.js'
import { jsonReport } from './report/json.js'
import { junitReport } from './report/junit.js'
import { tapReport } from './report/tap.js'
import { describePlan, progressLine, terminalReport } from './report/terminal.js'
import { rules } from './rules.js'

/** What a process has around the command. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>
  stdin: NodeJS.ReadableStream
  stdout: { write (text: string): unknown, isTTY?: boolean }
  stderr: { write (text: string): unknown, isTTY?: boolean }
}

const FORMATS: Readonly<Record<string, (report: Report, color: boolean) => string>> = {
  terminal: terminalReport,
  tap: tapReport,
  json: jsonReport,
  junit: junitReport
}

/**
 * The command.
 *
 * @param args without the name of the program
 * @param hooks for tests
 * @returns the exit code
 */
export async function main (args: readonly string[], { env, stdin, stdout, stderr }: Surroundings, hooks: ExamineHooks = {}): Promise<number> {
  try {
    const line = readArguments(args)
    const { values } = line
    if (values.help === true || values.version === true || values.list === true) {
      stdout.write(values.help === true ? help() : values.version === true ? version() : list())
      return 0
    }
    const { format = 'terminal' } = values as { format?: string }
    const write = FORMATS[format]
    if (write === undefined) throw new UsageError(`--format is ${Object.keys(FORMATS).join(', ')}`)
    const secrets = values.stdin === true ? { ...env, ...readSecrets(await readText(stdin)) } : env
    const report = await examine(optionsOf(line, secrets), { ...progress(line.url as string, stderr), ...hooks })
    stdout.write(write(report, stdout.isTTY === true && env.NO_COLOR === undefined))
    return exitCodeOf(report, values.strict === true)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    stderr.write(`airlock-doctor: ${error.message}\n`)
    return ExitCode.USAGE
  }
}

function progress (url: string, stderr: Surroundings['stderr']): ExamineHooks {
  let done = 0
  let plan: Plan
  return {
    onPlan (told) {
      plan = told
      stderr.write(describePlan(url, told))
    },
    onFinding (finding) {
      if (stderr.isTTY !== true || finding.result === 'skipped') return
      done++
      stderr.write(progressLine(finding, done, plan.rules) + (done === plan.rules ? '\r\u001b[K' : ''))
    },
    onDrain: () => { stderr.write('Restart the server now.\n') }
  }
}

function optionsOf ({ url, values }: CommandLine, env: Surroundings['env']): DoctorOptions {
  if (url === undefined) throw new UsageError('Name the WebSocket: airlock-doctor wss://app.example.com/ws')
  const text = (name: ArgumentName): string | undefined => values[name] as string | undefined
  const number = (name: ArgumentName): number | undefined => {
    const value = text(name)
    return value === undefined ? undefined : Number(value)
  }
  const race = values.race === true ? true : values['no-race'] === true ? false : undefined
  return {
    url,
    ...Object.fromEntries(Object.entries(VARIABLES).map(([name, { option }]) => [option, env[name] || undefined])),
    ticketUrl: ticketUrl(url, text('ticket')),
    carrier: text('carrier') as DoctorOptions['carrier'],
    carrierName: text('carrier-name'),
    subprotocol: values['no-subprotocol'] === true ? false : text('subprotocol'),
    firstFrame: values['no-first-frame'] !== true,
    authMessage: text('auth-message'),
    authOk: members('auth-ok', text('auth-ok')),
    refreshMessage: values['no-refresh'] === true ? false : text('refresh-message'),
    refreshOk: members('refresh-ok', text('refresh-ok')),
    echo: text('echo'),
    dialect: text('dialect') as DoctorOptions['dialect'],
    origin: text('origin'),
    forbiddenUrl: text('forbidden'),
    publicKey: file('public-key', text('public-key')),
    connectTo: text('connect-to'),
    ca: file('ca', text('ca')),
    insecure: values.insecure === true,
    rate: number('rate'),
    race,
    exhaust: values.exhaust === true,
    drain: number('drain'),
    patience: number('patience'),
    authTimeout: number('auth-timeout'),
    grace: number('grace'),
    only: values.only as DoctorOptions['only'],
    skip: values.skip as DoctorOptions['skip']
  }
}

function ticketUrl (url: string, ticket: string | undefined): string | undefined {
  return ticket?.startsWith('/') === true && URL.canParse(url) ? new URL(ticket, url.replace(/^ws/, 'http')).href : ticket
}

function members (name: string, json: string | undefined): Record<string, unknown> | undefined {
  if (json === undefined) return undefined
  try {
    return JSON.parse(json) as Record<string, unknown>
  } catch {
    throw new UsageError(`--${name} is JSON, such as {"type":"ready"}`)
  }
}

function file (name: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`--${name}: the file cannot be read (${String((error as NodeJS.ErrnoException).code)})`)
  }
}

function readSecrets (text: string): Record<string, string | undefined> {
  const trimmed = text.trim()
  return /^\w+=/.test(trimmed) ? parseEnv(trimmed) : { AIRLOCK_TOKEN: trimmed }
}

function version (): string {
  return `${(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version}\n`
}

function list (): string {
  return rules.map(({ id, title, section }) => `${id.padEnd(20)} ${title} (${section})\n`).join('')
}
