import type { User } from '../session/session-store.js'
import type { StepId, StepState } from './progress.js'

interface SceneProps {
  states: Record<StepId, StepState>
  user: User | null
}

/** A picture of the two doors. For screen readers, the list of steps below says the same in words. */
export function Scene ({ states, user }: SceneProps) {
  // A user who has lost the connection is outside again and needs a new ticket.
  const lost = states.open === 'refused'
  return (
    <div className='scene' aria-hidden='true' data-at={lost ? 'login' : placeOf(states)} data-open={states.open === 'done'}>
      <div className='zone outside'><span>outside</span></div>
      <div className='zone chamber'><span>airlock</span></div>
      <div className='zone inside'><span>inside</span></div>
      <div className='rail'><div className='rail-done' /></div>
      <Door name='one' state={lost ? 'idle' : states.upgrade} />
      <Door name='two' state={lost ? 'idle' : states.auth} />
      <div className='traveler' data-refused={Object.values(states).includes('refused')} data-moving={Object.values(states).includes('active') && user !== null}>
        {user === null ? '?' : user.name[0]}
      </div>
    </div>
  )
}

function Door ({ name, state }: { name: string, state: StepState }) {
  return (
    <div className={`door door-${name}`} data-state={state}>
      <div className='leaf upper' />
      <div className='leaf lower' />
      <span className='lamp' />
    </div>
  )
}

/** Returns the step at which the user stands. */
function placeOf (states: Record<StepId, StepState>): StepId {
  if (states.open !== 'idle') return 'open'
  if (states.auth !== 'idle') return 'auth'
  if (states.upgrade !== 'idle') return 'upgrade'
  return states.ticket !== 'idle' ? 'ticket' : 'login'
}
