import { useStore } from '../ui/hooks.js'
import { session } from './session.js'
import type { Session, SessionState } from './session-store.js'

/** Where the session stands. */
export function useSessionState (): SessionState {
  return useStore(session.state)
}

/** Who is logged in; `null` for nobody. */
export function useSession (): Session | null {
  const state = useStore(session.state)
  return state.status === 'in' ? state.session : null
}
