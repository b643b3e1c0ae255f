import { useStore } from '../ui/hooks.js'
import { session } from './session.js'
import type { Session, SessionState } from './session-store.js'

/** Returns the state of the session. */
export function useSessionState (): SessionState {
  return useStore(session.state)
}

/** Returns the session; `null` if nobody is logged in. */
export function useSession (): Session | null {
  const state = useStore(session.state)
  return state.status === 'in' ? state.session : null
}
