import { useAirlockSocket } from '@fastify-airlock/react'
import { type FormEvent, useMemo, useState } from 'react'
import { describeClose, loggedWebSocket, NO_CLOSE_FRAME } from '../connection/logged-socket.js'
import type { Incoming, Outgoing } from '../connection/messages.js'
import { describeRefusal } from '../connection/refusal.js'
import { call } from '../session/api.js'
import { useOutcome } from '../ui/hooks.js'
import { OutcomeLine, Panel } from '../ui/Panel.js'

interface UserInfo {
  name: string
  scope: string
}

/** A token from another system, in a cookie. The server asks that system about it for HTTP, the upgrade and open sockets. */
export function External () {
  const [wanted, setWanted] = useState(false)
  const [outcome, run, setOutcome] = useOutcome()
  const WebSocket = useMemo(() => loggedWebSocket('external', { onRefused: refusal => setOutcome({ text: `${describeRefusal(refusal)}.`, bad: true }) }), [setOutcome])
  const { status, send } = useAirlockSocket<Incoming, Outgoing>({
    url: '/ws/external',
    enabled: wanted,
    // One attempt: the panel shows its result.
    reconnect: false,
    WebSocket,
    onMessage: message => {
      if (message.type === 'hello' || message.type === 'whoami') setOutcome({ text: `The socket says: ${message.userInfo.name}, scope ${message.userInfo.scope}.`, bad: false })
    },
    onClose: ({ code, reason }) => {
      if (code !== NO_CLOSE_FRAME) setOutcome({ text: `Closed with ${describeClose(code, reason)}.`, bad: true })
    },
    onError: ({ final }) => {
      if (final) setWanted(false)
    }
  })
  const open = status === 'open'
  const login = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    run(async () => {
      const { expiresIn } = await call<{ expiresIn: number }>('POST', '/external/login', {
        json: { username: form.get('username'), password: form.get('password') }
      })
      return `The authority issued a token for ${expiresIn} s. It is in a cookie that this page cannot read.`
    })
  }
  const whoAmI = () => run(async () => {
    const { name, scope } = await call<UserInfo>('GET', '/external/me')
    return `HTTP says: ${name}, scope ${scope}.`
  })
  const revoke = () => run(async () => {
    await call('POST', '/external/logout')
    return 'The token is revoked and its sockets are closed.'
  })
  return (
    <Panel title='External token' hint='Another system issues this token. The server asks that system about it: for HTTP requests, for the upgrade, and again while the socket is open.'>
      <form className='pair' onSubmit={login}>
        <label>User at the authority <input name='username' required defaultValue='bob' autoComplete='off' /></label>
        <label>Password at the authority <input name='password' type='password' required defaultValue='builder' autoComplete='off' /></label>
        <button type='submit'>Get token</button>
      </form>
      <div className='row'>
        <button type='button' onClick={whoAmI}>Who am I?</button>
        <button type='button' onClick={() => setWanted(!open)}>{open ? 'Disconnect from /ws/external' : 'Connect to /ws/external'}</button>
        <button type='button' disabled={!open} onClick={() => send({ type: 'whoami' })}>Ask the socket</button>
        <button type='button' onClick={revoke}>Revoke</button>
      </div>
      <OutcomeLine outcome={outcome} />
    </Panel>
  )
}
