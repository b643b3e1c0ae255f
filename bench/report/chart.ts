import { CPU } from '../lib/cost.js'
import type { Figure } from '../lib/statistics.js'
import { keyOf, type Result, type Results } from './results.js'

/** One group of bars. */
interface Panel { id: string, column: string, title: string, digits: number }

const PANELS: Panel[] = [
  { id: 'handshake', column: '/ bare ws', title: 'Server CPU of a handshake, ticket at hand, to bare ws', digits: 2 },
  { id: 'ticket', column: '/ bare ws', title: 'The same with the ticket request, where one is needed', digits: 2 },
  { id: 'refusal', column: 'mixed', title: 'Server CPU of a refused upgrade, to a constant 404 of bare ws', digits: 2 },
  { id: 'heap', column: 'heap, KiB', title: 'Heap of an idle connection, KiB', digits: 1 },
  { id: 'broadcast', column: CPU, title: 'Server CPU of one delivery of a broadcast, µs', digits: 1 }
]

const WIDTH = 760
const LEFT = 262
const BAR = 18
const STEP = 26
const TITLE = 34
const SPACE = 52

const escape = (text: string): string => text.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)

/** A chart of the peers, for light and dark pages. */
export function chart (results: Results, runtime: string): string {
  let top = 16
  const parts: string[] = []
  const words: string[] = []
  let date = ''
  for (const panel of PANELS) {
    const result = results[keyOf({ id: panel.id, runtime })]
    const bars = result?.lines.flatMap(({ peer, cells }) => cells[panel.column] === undefined ? [] : [{ peer, figure: cells[panel.column] as Figure }]) ?? []
    if (bars.length === 0) continue
    date = (result as Result).date.slice(0, 10) > date ? (result as Result).date.slice(0, 10) : date
    parts.push(`<text class="title" x="0" y="${top + 14}">${escape(panel.title)}</text>`)
    top += TITLE
    const scale = (WIDTH - LEFT - SPACE) / Math.max(...bars.map(({ figure }) => figure.q3))
    for (const { peer, figure } of bars) {
      parts.push(bar(peer, figure, top, scale, panel.digits))
      top += STEP
    }
    words.push(`${panel.title}: ${bars.map(({ peer, figure }) => `${peer} ${figure.median.toFixed(panel.digits)}`).join(', ')}.`)
    top += 14
  }
  const caption = `Lower is better. Medians; the thin lines are quartiles. ${runtime}, ${date}.`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 0 ${WIDTH + 24} ${top + 26}" role="img" aria-labelledby="title desc">
<title id="title">What Airlock costs beside other servers</title>
<desc id="desc">${escape(words.join(' '))}</desc>
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .caption { fill: #59636e }
  .page { fill: #ffffff }
  .peer { fill: #b6bec8 }
  .own { fill: #1a7f64 }
  .quartiles { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .caption { fill: #9198a1 }
    .page { fill: #0d1117 }
    .peer { fill: #4a535e }
    .own { fill: #2ea98a }
    .quartiles { stroke: #e6edf3 }
  }
</style>
<rect class="page" x="-12" width="${WIDTH + 24}" height="${top + 26}" rx="6"/>
${parts.join('\n')}
<text class="caption" x="0" y="${top + 10}">${escape(caption)}</text>
</svg>
`
}

function bar (peer: string, { median, q1, q3 }: Figure, top: number, scale: number, digits: number): string {
  const at = (value: number): string => (LEFT + value * scale).toFixed(1)
  const middle = top + BAR / 2
  return [
    `<text x="${LEFT - 8}" y="${top + 13}" text-anchor="end">${escape(peer)}</text>`,
    `<rect class="${peer.startsWith('airlock') ? 'own' : 'peer'}" x="${LEFT}" y="${top}" width="${(median * scale).toFixed(1)}" height="${BAR}" rx="2"/>`,
    `<path class="quartiles" d="M${at(q1)} ${middle}H${at(q3)}"/>`,
    `<text x="${(LEFT + q3 * scale + 8).toFixed(1)}" y="${top + 13}">${median.toFixed(digits)}</text>`
  ].join('')
}
