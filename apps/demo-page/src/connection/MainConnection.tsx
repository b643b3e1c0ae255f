import { connectPresence } from '@fastify-airlock/client/presence'
import { createAirlock } from '@fastify-airlock/react'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useReducer } from 'react'
import { log } from '../log/log.js'
import { session } from '../session/session.js'
import { useSession } from '../session/useSession.js'
import { useStore } from '../ui/hooks.js'
import { getTicket, getToken } from './credentials.js'
import { loggedWebSocket } from './logged-socket.js'
import type { Incoming, Outgoing } from './messages.js'
import { follow, NO_PROGRESS, type Progress, type ProgressEvent } from './progress.js'
import { choose, settings } from './settings.js'

const { AirlockProvider, useAirlock } = createAirlock<Incoming, Outgoing>()

/** The page's main connection. */
export const useMain = useAirlock

const ProgressContext = createContext<Progress>(NO_PROGRESS)

/** Returns how far the connection has come, and how long each step took. */
export function useProgress (): Progress {
  return useContext(ProgressContext)
}

/** Keeps the connection that the diagram shows and several panels use. It knows who is there. */
export function MainConnection ({ children }: { children: ReactNode }) {
  const isLoggedIn = useSession() !== null
  const { route, carrier, wanted } = useStore(settings)
  const [progress, dispatch] = useReducer(follow, NO_PROGRESS)
  const WebSocket = useMemo(() => loggedWebSocket('main', { onRefused: refusal => dispatch({ type: 'refused', refusal }) }), [])
  return (
    <AirlockProvider
      url={route}
      carrier={carrier}
      enabled={wanted && isLoggedIn}
      getTicket={getTicket}
      getToken={getToken}
      connect={connectPresence}
      WebSocket={WebSocket}
    >
      <Follower dispatch={dispatch} />
      <ProgressContext value={progress}>{children}</ProgressContext>
    </AirlockProvider>
  )
}

/** What may mean that the user is not logged in any more. */
const SIGNED_OUT = ['WSA_CLIENT_ERR_UNAUTHENTICATED', 'WSA_CLIENT_ERR_FORBIDDEN', 'WSA_CLIENT_ERR_LOGGED_OUT']

/** Passes the client's events on to the diagram. Checks the session when the server has ended the connection. */
function Follower ({ dispatch }: { dispatch: (event: ProgressEvent) => void }) {
  const { connection } = useAirlock({
    onOpen: ({ timings }) => dispatch({ type: 'open', timings, at: Date.now() }),
    onUncertain: ({ count }) => log.bad('main', `${count === 1 ? 'the message' : `${count} messages`} sent on this connection may not have arrived`),
    onClose: ({ code, reason }) => dispatch({ type: 'closed', code, reason }),
    onError: error => {
      const { code, final } = error
      dispatch({ type: 'error', error })
      if (!final) return
      // The user has logged out elsewhere, the server has a new key, or an admin closed only the sockets. The session tells.
      if (SIGNED_OUT.includes(code)) session.check()
    }
  })
  useEffect(() => {
    if (connection === null) return
    const enter = (status: Progress['status']) => dispatch({ type: 'status', status, now: performance.now() })
    enter(connection.status)
    const removeListeners = [
      connection.on('status', enter),
      connection.on('waiting', ({ delay }) => dispatch({ type: 'waiting', delay, at: Date.now() })),
      connection.on('refreshed', () => dispatch({ type: 'refreshed' }))
    ]
    return () => {
      for (const remove of removeListeners) remove()
      dispatch({ type: 'reset' })
    }
  }, [connection, dispatch])

  const isOut = useSession() === null
  const isRestoring = useStore(session.state).status === 'restoring'
  useEffect(() => {
    // The next user starts without a connection.
    if (isOut && !isRestoring) choose({ wanted: false })
  }, [isOut, isRestoring])
  return null
}
