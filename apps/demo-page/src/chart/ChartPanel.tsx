import { timeOfDay } from '../ui/format.js'
import { Panel } from '../ui/Panel.js'
import { Chart, type Line } from './Chart.js'
import { summarize, tabulate } from './rates.js'
import { useSamples } from './useSamples.js'

/** Connections and messages over the last minutes. */
export function ChartPanel () {
  const samples = useSamples()
  const times = samples.map(({ time }) => time)
  const connections = samples.map(sample => sample.connections)
  const received = samples.map(sample => sample.received)
  const sent = samples.map(sample => sample.sent)
  return (
    <Panel title='Activity' className='over-time' hint='The last five minutes, measured while this page is visible.'>
      <div className='charts'>
        <Figure title='Connections on this node' times={times} lines={[{ name: 'open', color: '--chart-connections', values: connections, stepped: true }]} digits={0} />
        <Figure
          title='Messages per second on this page' times={times} digits={1}
          lines={[{ name: 'received', color: '--chart-received', values: received }, { name: 'sent', color: '--chart-sent', values: sent }]}
        />
      </div>
      <details>
        <summary>Show as a table</summary>
        <table>
          <thead><tr><th scope='col'>From</th><th scope='col'>Most connections</th><th scope='col'>Received per second</th><th scope='col'>Sent per second</th></tr></thead>
          <tbody>
            {tabulate(samples).map(row => (
              <tr key={row.time}>
                <th scope='row'>{timeOfDay(row.time * 1_000)}</th>
                <td>{row.connections ?? 'unknown'}</td>
                <td>{row.received.toFixed(1)}</td>
                <td>{row.sent.toFixed(1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </Panel>
  )
}

function Figure ({ title, times, lines, digits }: { title: string, times: readonly number[], lines: readonly Line[], digits: number }) {
  const summaries = lines.map(({ name, color, values }) => {
    const summary = summarize(values)
    return { name, color, text: summary === null ? `nothing ${name} yet` : `${summary.last.toFixed(digits)} ${name} now, ${summary.most.toFixed(digits)} at most` }
  })
  return (
    <figure>
      <figcaption>
        <span>{title}</span>
        {summaries.map(({ name, color, text }) => <span key={name} className={`key ${color.slice(2)}`}>{text}</span>)}
      </figcaption>
      <Chart times={times} lines={lines} label={`${title}: ${summaries.map(({ text }) => text).join('; ')}.`} />
    </figure>
  )
}
