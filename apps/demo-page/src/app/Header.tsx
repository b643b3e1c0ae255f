import { session } from '../session/session.js'
import { useSessionState } from '../session/useSession.js'
import { useOutcome } from '../ui/hooks.js'
import { ThemeToggle } from '../ui/ThemeToggle.js'

/** Says what this page is and who is logged in, and sets the theme. */
export function Header () {
  const state = useSessionState()
  const [outcome, run] = useOutcome()
  const logout = () => run(async () => {
    await session.logout()
    return ''
  })
  return (
    <header className='header'>
      <div className='brand'>
        <img src='/icon.svg' alt='' width='44' height='44' />
        <div>
          <h1>Airlock</h1>
          <p>Two locked doors in front of a WebSocket. A ticket opens the first, a JWT in the first frame opens the second.</p>
        </div>
      </div>
      <div className='tools'>
        {state.status === 'in' && (
          <div className='who'>
            <span className='avatar' aria-hidden='true'>{state.session.user.name[0]}</span>
            <span><b>{state.session.user.name}</b> <small>Role: {state.session.user.role}</small></span>
            <button type='button' className='small' disabled={state.leaving} onClick={logout}>Log out</button>
          </div>
        )}
        <ThemeToggle />
      </div>
      <p className='outcome' role='status' data-bad={outcome.bad}>{outcome.text}</p>
    </header>
  )
}
