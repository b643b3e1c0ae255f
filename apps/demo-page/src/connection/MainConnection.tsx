import { createAirlock } from '@fastify-airlock/react'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useReducer } from 'react'
import { session } from '../session/session.js'
import { useSession } from '../session/useSession.js'
import { useStore } from '../ui/hooks.js'
import { getTicket, getToken } from './credentials.js'
import { loggedWebSocket } from './logged-socket.js'
import type { Incoming, Outgoing } from './messages.js'
import { follow, NO_PROGRESS, type Progress, type ProgressEvent } from './progress.js'
import { choose, settings } from './settings.js'

const { AirlockProvider, useAirlock } = createAirlock<Incoming, Outgoing>()

/** The connection that the page is about. */
export const useMain = useAirlock

const ProgressContext = createContext<Progress>(NO_PROGRESS)

/** How far the connection has come, and how long it took. */
export function useProgress (): Progress {
  return useContext(ProgressContext)
}

/** Keeps the one connection that the diagram shows and the talk panel uses. */
export function MainConnection ({ children }: { children: ReactNode }) {
  const isLoggedIn = useSession() !== null
  const { route, carrier, wanted } = useStore(settings)
  const [progress, dispatch] = useReducer(follow, NO_PROGRESS)
  const WebSocket = useMemo(() => loggedWebSocket('main', refusal => dispatch({ type: 'refused', refusal })), [])
  return (
    <AirlockProvider
      url={route}
      carrier={carrier}
      enabled={wanted && isLoggedIn}
      getTicket={getTicket}
      getToken={getToken}
      WebSocket={WebSocket}
    >
      <Follower dispatch={dispatch} />
      <ProgressContext value={progress}>{children}</ProgressContext>
    </AirlockProvider>
  )
}

/** Hands the client's events on to the diagram, and has the session checked when the server ended the connection. */
function Follower ({ dispatch }: { dispatch: (event: ProgressEvent) => void }) {
  const { connection } = useAirlock({
    onOpen: ({ timings }) => dispatch({ type: 'open', timings, at: Date.now() }),
    onClose: ({ code, reason }) => dispatch({ type: 'closed', code, reason }),
    onError: error => {
      const { code, final } = error
      dispatch({ type: 'error', error })
      if (!final) return
      // Logged out elsewhere, a new key of the server, or an admin who only wanted the sockets closed: the session tells.
      if (code === 'WSA_CLIENT_ERR_UNAUTHENTICATED' || code === 'WSA_CLIENT_ERR_FORBIDDEN') session.check()
    }
  })
  useEffect(() => {
    if (connection === null) return
    const enter = (status: Progress['status']) => dispatch({ type: 'status', status, now: performance.now() })
    enter(connection.status)
    const silence = [
      connection.on('status', enter),
      connection.on('waiting', ({ delay }) => dispatch({ type: 'waiting', delay, at: Date.now() })),
      connection.on('refreshed', () => dispatch({ type: 'refreshed' }))
    ]
    return () => {
      for (const end of silence) end()
      dispatch({ type: 'reset' })
    }
  }, [connection, dispatch])

  const isOut = useSession() === null
  const isRestoring = useStore(session.state).status === 'restoring'
  useEffect(() => {
    // Whoever logs in next decides anew.
    if (isOut && !isRestoring) choose({ wanted: false })
  }, [isOut, isRestoring])
  return null
}
