import { type Scenario, scenarios } from '@fastify-airlock/doctor/scenarios'
import { useSession } from '../session/useSession.js'
import { Panel } from '../ui/Panel.js'
import { ScenarioCard } from './ScenarioCard.js'
import { useBreakIn } from './useBreakIn.js'

/** The attacks, and how the server answers each of them. */
export function BreakIn () {
  const user = useSession()?.user ?? null
  const { runs, news, all, tryOne, tryAll, stop } = useBreakIn()
  const obstacle = ({ needs }: Scenario): string | null => {
    if (needs === undefined) return null
    if (user === null) return 'Log in first.'
    return needs === 'no admin' && user.role === 'admin' ? 'Log in as Alice or Bob. An admin would get in.' : null
  }
  const able = scenarios.filter(scenario => obstacle(scenario) === null)
  const over = Object.values(runs).filter(run => run.state === 'over')
  const held = over.filter(({ verdict }) => verdict === 'held').length
  const score = over.length > 0 ? `${held} of ${over.length} held` : ''
  const busy = Object.values(runs).some(run => run.state === 'running')
  return (
    <Panel
      title='Break in' className='break-in'
      hint='Attacks that must fail. A browser shows a page only the code 1006 for a refused upgrade, so this page asks the demo, which keeps its answers for a minute.'
      aside={
        <div className='row'>
          <p className='score'>{score}</p>
          {all
            ? <button type='button' onClick={stop}>Stop</button>
            : <button type='button' className='primary' disabled={busy} onClick={() => tryAll(able)}>Try all</button>}
        </div>
      }
    >
      {/* One live region for all cards. After many attempts in a row, it announces only the sum. */}
      <p className='visually-hidden' role='status'>{all ? 'Trying all attacks.' : news}</p>
      {(['one', 'two'] as const).map(door => (
        <div key={door} className='door-group'>
          <h3>{door === 'one' ? 'At the first door, before the 101' : 'At the second door, after the 101'}</h3>
          <ul className='cards'>
            {scenarios.filter(scenario => scenario.door === door).map(scenario => (
              <ScenarioCard
                key={scenario.id} scenario={scenario} run={runs[scenario.id] ?? null} obstacle={obstacle(scenario)}
                busy={all || runs[scenario.id]?.state === 'running'} onTry={() => tryOne(scenario)}
              />
            ))}
          </ul>
        </div>
      ))}
    </Panel>
  )
}
