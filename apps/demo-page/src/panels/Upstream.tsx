import { useAirlockSocket } from '@fastify-airlock/react'
import { type FormEvent, useMemo, useState } from 'react'
import { describeClientError } from '../connection/client-error.js'
import { getTicket, getToken } from '../connection/credentials.js'
import { loggedWebSocket } from '../connection/logged-socket.js'
import type { Incoming, Outgoing } from '../connection/messages.js'
import { describeRefusal } from '../connection/refusal.js'
import { call } from '../session/api.js'
import { session } from '../session/session.js'
import { useSession } from '../session/useSession.js'
import { useOutcome } from '../ui/hooks.js'
import { OutcomeLine, Panel } from '../ui/Panel.js'

interface Hello {
  hello: string
  headers: string[]
}

/** Another server behind both doors, which requires a key. This page never sees the key. */
export function Upstream () {
  const user = useSession()?.user ?? null
  const [wanted, setWanted] = useState(false)
  // The next user starts without a connection.
  if (wanted && user === null) setWanted(false)
  const [outcome, run, setOutcome] = useOutcome()
  const WebSocket = useMemo(() => loggedWebSocket('upstream', { onRefused: refusal => setOutcome({ text: `${describeRefusal(refusal)}.`, bad: true }) }), [setOutcome])
  const { status, send } = useAirlockSocket<Incoming, Outgoing>({
    url: '/ws/upstream',
    enabled: wanted,
    reconnect: { attempts: 3 },
    getTicket,
    getToken,
    WebSocket,
    onOpen: () => setOutcome({ text: 'Passed both doors and connected to the upstream.', bad: false }),
    onMessage: message => {
      if (message.type === 'echo') setOutcome({ text: `The upstream answers: ${String(message.data)}`, bad: false })
    },
    onError: error => {
      if (!error.final) return
      setWanted(false)
      session.check()
      setOutcome({ text: describeClientError(error), bad: true })
    }
  })
  const open = status === 'open'
  const echo = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const data = new FormData(event.currentTarget).get('text')
    run(() => {
      send({ type: 'echo', data })
      return 'Sent.'
    })
  }
  const callApi = () => run(async () => {
    const token = await session.token()
    const { hello, headers } = await call<Hello>('GET', '/api/hello', { token: token ?? undefined })
    return `Hello ${hello}. It received the headers ${headers.join(', ')}.`
  })
  return (
    <Panel title='Upstream' hint='Another server that requires a key in a header. The demo adds the key. This page never sees it.'>
      {user === null && <p className='hint'>Log in first.</p>}
      <form className='inline' onSubmit={echo}>
        <label>Message to the upstream <input name='text' required defaultValue='hello, upstream' autoComplete='off' disabled={!open} /></label>
        <button type='submit' disabled={!open}>Echo</button>
      </form>
      <div className='row'>
        <button type='button' disabled={user === null} onClick={() => setWanted(!open)}>{open ? 'Disconnect from /ws/upstream' : 'Connect to /ws/upstream'}</button>
        <button type='button' disabled={user === null} onClick={callApi}>Call /api/hello</button>
      </div>
      <OutcomeLine outcome={outcome} />
    </Panel>
  )
}
