import { ROWS } from '../rows/index.js'
import { keyOf, type Result, type Results } from './results.js'
import { judge, lineCells, markdownTable, verdictCells } from './text.js'
import { show } from '../lib/statistics.js'

/** What differs from the defaults, and why. */
export const CONDITIONS = [
  '`messageRate` of the hub is raised from 100 a second to 10⁹: a client of the echo sends thousands. The check itself stays on.',
  'The listen backlog of every server is raised from 511 to what the kernel allows: a storm would wait for lost SYNs otherwise.',
  'Everything else has its default: at most 64 handshakes of one address are under way at once (`pendingPerAddress` is 256), every client is a subject of its own (`maxConnectionsPerSubject` is 10), and no storm has more than 158 clients of one address.',
  '`@fastify/rate-limit` is not registered, as in the quick start, so the ticket route has no rate limit. No logger. No TLS.',
  'A ticket at hand was asked for with the same JWT right before, as in life. So the plugins may remember that the JWT is good; `airlock, no token cache` forbids it.'
]

/** The results as a page. */
export function markdown (results: Results, defaultRuntime: string): string {
  const all = ROWS.flatMap(({ id }) => Object.values(results).filter(result => result.id === id))
  const own = all.filter(result => keyOf(result) === keyOf({ id: result.id, runtime: defaultRuntime }))
  return [
    '# Results\n\nMade by `npm run bench`: do not edit. [README.md](README.md) says what is measured, and how.',
    'Ratios are within rounds: median [quartiles]. Times are CPU, user and system, of the server\'s own process.\n',
    '## Targets\n', targets(own),
    columns(all, own),
    '## Conditions\n', CONDITIONS.map(line => `- ${line}\n`).join(''),
    ...all.map(section)
  ].filter(part => part !== '').join('\n')
}

function targets (own: Result[]): string {
  return markdownTable(['row', 'what', 'measured', 'target', ''], own.flatMap(({ title, verdicts }) =>
    verdicts.map(verdict => [title, ...verdictCells(verdict).map(cell => cell === 'missed' ? '**missed**' : cell)])))
}

/** The figures with a target on every runtime; nothing where there is but one. */
function columns (all: Result[], own: Result[]): string {
  const runtimes = [...new Set(all.map(({ runtime }) => runtime))]
  if (runtimes.length < 2) return ''
  const rows = own.filter(({ id }) => all.some(result => result.id === id && !own.includes(result)))
  const body = rows.flatMap(row => row.verdicts.map(({ what, target }) => [row.title, what, ...runtimes.map(runtime => {
    const verdict = all.find(result => result.id === row.id && result.runtime === runtime)?.verdicts.find(verdict => verdict.what === what)
    return verdict === undefined ? '-' : `${show(verdict.figure)}${judge(verdict) === 'missed' ? ' **missed**' : ''}`
  }), target?.toFixed(2) ?? '']))
  return `## By runtime\n\n${markdownTable(['row', 'what', ...runtimes, 'target'], body)}`
}

function section (result: Result): string {
  const { title, runtime, how, date, load, machine, commit, versions, notes } = result
  const { head, body } = lineCells(result)
  return [
    `## ${title}: ${runtime}\n`,
    `${how}.\n`,
    body.length > 0 ? markdownTable(head, body) : '',
    ...notes.map(note => `Left out: ${note}.\n`),
    `${date.slice(0, 16).replace('T', ' ')} UTC, ${commit}; ${machine}; load average before and after: ${load}; ${
      Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}.\n`
  ].filter(part => part !== '').join('\n')
}
