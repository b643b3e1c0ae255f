import { useMain } from '../connection/MainConnection.js'
import { readDevices, readSubject } from '../presence/devices.js'
import { useHere } from '../presence/useHere.js'
import { useNodes } from '../presence/useNodes.js'
import { useSessionState } from '../session/useSession.js'
import { Panel } from '../ui/Panel.js'

/** Who is connected, on which devices, and to which nodes. Nothing while nobody is logged in here. */
export function Here () {
  const state = useSessionState()
  return state.status === 'in' ? <Everyone own={state.session.user.id} leaving={state.leaving} /> : null
}

function Everyone ({ own, leaving }: { own: string, leaving: boolean }) {
  const { user } = useMain()
  const { status, users, total, error } = useHere()
  const live = status === 'live'
  // An answer that comes after the logout would be a 401.
  const nodes = useNodes(live && !leaving, users)
  // The user itself first, the others by name.
  const listed = [...users].sort((a, b) => Number(b.subject === own) - Number(a.subject === own) || (a.subject < b.subject ? -1 : 1))
  return (
    <Panel
      title='Who is here' className='here'
      hint='Everyone with an open socket, on every node: each user once, with the devices that they show.'
      aside={live && <span className='tick' data-total={total}>{total === 1 ? '1 user' : `${total} users`}</span>}
    >
      {!live && <p className='hint'>{error !== null ? error.message : status === 'waiting' && users.length > 0 ? 'As it was before the connection was lost.' : 'Connect first. Only users who are connected see each other.'}</p>}
      <ul className='here-list' data-live={live}>
        {listed.map(({ subject, connections, state }) => {
          const { name, isExternal } = readSubject(subject)
          return (
            <li key={subject} data-user={subject}>
              <span className='avatar' aria-hidden='true'>{name[0]?.toUpperCase()}</span>
              <span className='here-name'>
                <b>{name}</b>
                {subject === own && <small className='badge'>You</small>}
                {isExternal && <small className='badge'>External</small>}
              </span>
              <span className='facts'>{[connections === 1 ? '1 socket' : `${connections} sockets`, ...readDevices(state)].join(', ')}</span>
            </li>
          )
        })}
      </ul>
      {total > users.length && <p className='hint'>{`And ${total - users.length} more.`}</p>}
      {live && (nodes.length > 1 || user?.node !== undefined) && nodes.length > 0 && (
        <ul className='node-list' aria-label='Nodes'>
          {nodes.map(({ name, connections, draining }) => (
            <li key={name} data-node={name} data-here={name === user?.node}>
              <b>Node {name}</b>
              <span>{connections === 1 ? '1 socket' : `${connections} sockets`}{draining && ', closing'}</span>
              {name === user?.node && <small className='badge'>This page</small>}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}
