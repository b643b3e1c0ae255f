import type { AirlockError } from '@fastify-airlock/client'
import { connectTopics, type Position } from '@fastify-airlock/client/topics'
import { useAirlock } from '@fastify-airlock/react'
import { PresenceProvider } from '@fastify-airlock/react/presence'
import { useTopic } from '@fastify-airlock/react/topics'
import { useState } from 'react'
import { Room } from './Room.js'
import type { Session } from './session.js'

interface ChatProps {
  session: Session
  /** The login is over; the note says why. */
  onOut: (note: string) => void
}

/** One connection for everything: messages, who is there, and who types. */
export function Chat ({ session, onOut }: ChatProps) {
  const end = ({ code }: AirlockError): void => {
    if (code === 'WSA_CLIENT_ERR_LOGGED_OUT') onOut('You are logged out.')
    if (code === 'WSA_CLIENT_ERR_UNAUTHENTICATED') onOut('Log in again, please.')
  }
  return (
    <PresenceProvider url='/ws' connect={connectTopics} getTicket={session.getTicket} getToken={session.getToken} onError={error => { if (error.final) end(error) }}>
      <Rooms session={session} onOut={onOut} />
    </PresenceProvider>
  )
}

function Rooms ({ session, onOut }: ChatProps) {
  const [rooms, setRooms] = useState<Array<{ topic: string, since: Position }>>()
  const [chosen, setChosen] = useState<string>()
  const [notices, setNotices] = useState<string[]>([])
  const load = async (signal?: AbortSignal): Promise<void> => { setRooms(await (await session.ask('/rooms', { signal: signal ?? null })).json()) }
  const notify = (text: string): void => { setNotices(notices => [...notices, text]) }
  useTopic<{ text: string }>('all', { onMessage: ({ data }) => notify(data.text) })
  // What comes to one's own inbox may be a new room.
  useTopic<{ text: string }>(`inbox/${session.user}`, {
    load: async ({ signal }) => await load(signal),
    onMessage: ({ data }) => {
      notify(data.text)
      load().catch(() => notify('The rooms cannot be loaded. Load the page again.'))
    }
  })
  const logOut = (path: string): void => {
    session.ask(path, { method: 'POST' }).then(() => onOut('You are logged out.'), () => notify('You are still logged in: the server cannot be reached.'))
  }
  const open = rooms?.find(({ topic }) => topic === chosen) ?? rooms?.[0]

  return (
    <div className='chat'>
      <header>
        <h1>Chat</h1>
        <Connection />
        <span className='me'>{session.user}</span>
        <button onClick={() => logOut('/logout')}>Log out</button>
        <button onClick={() => logOut('/logout?everywhere')}>Log out everywhere</button>
      </header>
      <ul className='notices' role='status' aria-label='Notices'>
        {notices.map((text, index) => (
          <li key={index}>{text} <button onClick={() => setNotices(notices.filter(other => other !== text))}>Dismiss</button></li>
        ))}
      </ul>
      <nav aria-label='Rooms'>
        {rooms?.map(({ topic }) => <button key={topic} aria-current={topic === open?.topic} onClick={() => setChosen(topic)}>{nameOf(topic)}</button>)}
      </nav>
      <main>
        {rooms === undefined && <p className='empty'>Loading your rooms…</p>}
        {rooms?.length === 0 && <p className='empty'>You are in no room yet. An admin can let you in.</p>}
        {/* All of them, so that what was written in one goes out while another one is shown. */}
        {rooms?.map(({ topic, since }) => (
          <Room key={topic} topic={topic} name={nameOf(topic)} since={since} user={session.user} hidden={topic !== open?.topic} />
        ))}
      </main>
    </div>
  )
}

/** What the connection is doing, and what can be done about it. */
function Connection () {
  const { status, user, error, reconnect } = useAirlock()
  const [text, action] =
    status === 'open'
      ? ['Connected']
      : status === 'closed'
        ? [`The server has refused the connection (${error?.closeCode ?? error?.status ?? error?.code}).`, 'Try again']
        : user !== null
          ? ['Reconnecting… What you write is sent when the connection is back.', 'Try now']
          : error !== null
            ? ['The server cannot be reached. Trying again…', 'Try now']
            : ['Connecting…']
  return (
    <div className='connection' data-status={status}>
      <span role='status'>{text}</span>
      {action !== undefined && <button onClick={reconnect}>{action}</button>}
    </div>
  )
}

function nameOf (topic: string): string {
  return topic.slice('room/'.length)
}
