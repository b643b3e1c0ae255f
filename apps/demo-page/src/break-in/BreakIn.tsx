import { useSession } from '../session/useSession.js'
import { Panel } from '../ui/Panel.js'
import { ScenarioCard } from './ScenarioCard.js'
import { type Scenario, scenarios } from './scenarios.js'
import { useBreakIn } from './useBreakIn.js'

/** The failing scenarios, and what the server answers to each. */
export function BreakIn () {
  const user = useSession()?.user ?? null
  const { runs, news, all, tryOne, tryAll, stop } = useBreakIn()
  const lacks = ({ needs }: Scenario): string | null => {
    if (needs === undefined) return null
    if (user === null) return 'Log in first.'
    return needs === 'no admin' && user.role === 'admin' ? 'Log in as Alice or Bob: an admin is let in.' : null
  }
  const able = scenarios.filter(scenario => lacks(scenario) === null)
  const over = Object.values(runs).filter(run => run.state === 'over')
  const held = over.filter(({ verdict }) => verdict === 'held').length
  const score = over.length > 0 ? `${held} of ${over.length} held` : ''
  const busy = Object.values(runs).some(run => run.state === 'running')
  return (
    <Panel
      title='Break in' className='break-in'
      hint='Every way in that must not be one. A browser tells a page nothing about a refused upgrade but 1006; the demo keeps its answers for a minute, so that this page can show them.'
      aside={
        <div className='row'>
          <p className='score'>{score}</p>
          {all
            ? <button type='button' onClick={stop}>Stop</button>
            : <button type='button' className='primary' disabled={busy} onClick={() => tryAll(able)}>Try all</button>}
        </div>
      }
    >
      {/* One voice for all cards; of many attempts in a row it tells the sum only. */}
      <p className='visually-hidden' role='status'>{all ? 'Trying all.' : news}</p>
      {(['one', 'two'] as const).map(door => (
        <div key={door} className='door-group'>
          <h3>{door === 'one' ? 'At the first door, before the 101' : 'At the second door, after the 101'}</h3>
          <ul className='cards'>
            {scenarios.filter(scenario => scenario.door === door).map(scenario => (
              <ScenarioCard
                key={scenario.id} scenario={scenario} run={runs[scenario.id] ?? null} lack={lacks(scenario)}
                busy={all || runs[scenario.id]?.state === 'running'} onTry={() => tryOne(scenario)}
              />
            ))}
          </ul>
        </div>
      ))}
    </Panel>
  )
}
