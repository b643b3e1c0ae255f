import { useEffect, useMemo } from 'react'
import { connectedDevices } from '../presence/devices.js'
import { useHere } from '../presence/useHere.js'
import { type ListedSession, SessionList } from '../session/session-list.js'
import { session } from '../session/session.js'
import { useSessionState } from '../session/useSession.js'
import { moment } from '../ui/format.js'
import { useOutcome, useStore } from '../ui/hooks.js'
import { OutcomeLine, Panel } from '../ui/Panel.js'

/** Time between two looks at the list, in milliseconds. */
const PERIOD_MS = 3_000

/** Time after a change until the nodes have heard of it, in milliseconds. */
const SETTLE_MS = 200

/** Where the user is logged in. Nothing while nobody is. */
export function Sessions () {
  const state = useSessionState()
  // Another user has another list.
  return state.status === 'in' ? <List key={state.session.user.id} own={state.session.user.id} leaving={state.leaving} /> : null
}

function List ({ own, leaving }: { own: string, leaving: boolean }) {
  const list = useMemo(() => new SessionList(session), [])
  const sessions = useStore(list.state)
  const [outcome, run, setOutcome] = useOutcome()
  const { users, set } = useHere()

  // What the others see of this user, in "Who is here".
  const devices = connectedDevices(sessions ?? []).join('\n')
  useEffect(() => set(devices === '' ? null : { devices: devices.split('\n') }), [devices, set])

  // A socket more or less on any device, of which the presence tells at once, and a hidden page as well.
  const connections = users.find(({ subject }) => subject === own)?.connections ?? 0
  useEffect(() => {
    if (connections === 0 || leaving) return
    const over = new AbortController()
    // The period asks again: a failure is its to tell.
    const timer = setTimeout(() => { list.load(over.signal).catch(() => {}) }, SETTLE_MS)
    return () => {
      over.abort()
      clearTimeout(timer)
    }
  }, [connections, leaving, list])

  useEffect(() => {
    // An answer that comes after the logout would be a 401.
    if (leaving) return
    const over = new AbortController()
    let failed = false
    const load = () => {
      if (document.visibilityState === 'hidden') return
      list.load(over.signal).then(() => {
        // The server is back.
        if (failed) setOutcome({ text: '', bad: false })
        failed = false
      }, (error: Error) => {
        failed = true
        setOutcome({ text: error.message, bad: true })
      })
    }
    load()
    const timer = setInterval(load, PERIOD_MS)
    document.addEventListener('visibilitychange', load)
    return () => {
      over.abort()
      clearInterval(timer)
      document.removeEventListener('visibilitychange', load)
    }
  }, [list, leaving, setOutcome])

  const end = (ended: ListedSession[]) => run(async () => {
    const count = await list.end(ended)
    return count === 1 ? 'One session ended. Its JWTs and tickets are worthless, and its sockets are closed.' : `${count} sessions ended.`
  })
  const others = (sessions ?? []).filter(({ current }) => !current)
  return (
    <Panel
      title='My sessions' className='sessions'
      hint='Each login is a session of its own. End one to log it out there: its sockets close on every node, and the others go on.'
      aside={others.length > 1 && <button type='button' className='small' disabled={leaving} onClick={() => end(others)}>End all others</button>}
    >
      <ul className='session-list'>
        {(sessions ?? []).map(one => (
          <li key={one.id} data-current={one.current}>
            <span className='session-device'><b>{one.device}</b>{one.current && <small className='badge'>This device</small>}</span>
            <span className='session-facts'>Since {moment(one.since)}, <span data-sockets={one.sockets}>{one.sockets === 1 ? '1 socket' : `${one.sockets} sockets`}</span></span>
            {!one.current && (
              <button type='button' className='small' disabled={leaving} onClick={() => end([one])}>
                End<span className='visually-hidden'> the session on {one.device} since {moment(one.since)}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      <OutcomeLine outcome={outcome} />
    </Panel>
  )
}
