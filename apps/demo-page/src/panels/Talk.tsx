import { type FormEvent, useRef, useState } from 'react'
import { useMain } from '../connection/MainConnection.js'
import { call } from '../session/api.js'
import { session } from '../session/session.js'
import { useSession } from '../session/useSession.js'
import { duration } from '../ui/format.js'
import { useOutcome } from '../ui/hooks.js'
import { OutcomeLine, Panel } from '../ui/Panel.js'

/** Messages on the open connection, and the actions of an admin. */
export function Talk () {
  const role = useSession()?.user.role
  const { status, send } = useMain()
  const [tick, setTick] = useState<number | null>(null)
  const [heard, setHeard] = useState('')
  const [echo, run, setEcho] = useOutcome()
  const sentAt = useRef<number[]>([])
  useMain({
    onOpen: () => { sentAt.current = [] },
    onMessage: message => {
      if (message.type === 'tick') setTick(message.n)
      if (message.type === 'broadcast') setHeard(`Broadcast: ${String(message.data)}`)
      if (message.type === 'reset') setHeard('Reset: this is what a kiosk receives.')
      const begun = message.type === 'echo' ? sentAt.current.shift() : undefined
      if (begun !== undefined) setEcho({ text: `Echo after ${duration(performance.now() - begun)}.`, bad: false })
    }
  })
  const open = status === 'open'
  const sendEcho = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const data = new FormData(event.currentTarget).get('text')
    run(() => {
      sentAt.current.push(performance.now())
      send({ type: 'echo', data })
      return 'Sent.'
    })
  }
  return (
    <Panel title='Talk' className='talk' aside={<span className='tick'>{open && tick !== null ? `tick ${tick}` : ''}</span>}>
      {!open && <p className='hint'>Connect first. Messages flow only when both doors are open.</p>}
      <form className='inline' onSubmit={sendEcho}>
        <label>Message to echo <input name='text' required defaultValue='hello' autoComplete='off' disabled={!open} /></label>
        <button type='submit' disabled={!open}>Send</button>
      </form>
      <OutcomeLine outcome={echo} />
      <p className='heard' role='status'>{heard}</p>
      <Admin isAdmin={role === 'admin'} />
      <p className='hint'><a href='/kiosk' target='_blank' rel='noreferrer'>Open the kiosk</a> in another window, and reset it from here.</p>
    </Panel>
  )
}

function Admin ({ isAdmin }: { isAdmin: boolean }) {
  const [outcome, run] = useOutcome()
  return (
    <fieldset className='admin' disabled={!isAdmin}>
      <legend>Admin</legend>
      {!isAdmin && <p className='hint'>For admins only.</p>}
      <AdminForm
        label='Message to everyone' name='data' value='hello, all' button='Broadcast' submit={data => run(async () => {
          const { delivered } = await post<{ delivered: number }>('/broadcast', { data })
          return `Delivered to ${sockets(delivered)} on this node.`
        })}
      />
      <AdminForm
        label='User' name='user' value='bob' button='Disconnect user' submit={user => run(async () => {
          const { disconnected } = await post<{ disconnected: number }>('/admin/disconnect', { user })
          return `Closed ${sockets(disconnected)} of ${user} on this node.`
        })}
      />
      <div className='row'>
        <button
          type='button' onClick={() => run(async () => {
            const { delivered, position } = await post<{ delivered: number, position: object | null }>('/kiosk/reset')
            const others = position === null ? 'Those that are away will not hear of it.' : 'All others follow, those that are away when they are back.'
            return `Reset ${delivered === 1 ? '1 kiosk' : `${delivered} kiosks`} on this node. ${others}`
          })}
        >Reset kiosks
        </button>
      </div>
      <OutcomeLine outcome={outcome} />
    </fieldset>
  )
}

interface AdminFormProps {
  label: string
  name: string
  value: string
  button: string
  submit (text: string): void
}

function AdminForm ({ label, name, value, button, submit }: AdminFormProps) {
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    submit(String(new FormData(event.currentTarget).get(name)))
  }
  return (
    <form className='inline' onSubmit={send}>
      <label>{label} <input name={name} required defaultValue={value} autoComplete='off' /></label>
      <button type='submit'>{button}</button>
    </form>
  )
}

async function post<T> (path: string, json?: unknown): Promise<T> {
  const token = await session.token()
  return call('POST', path, { token: token ?? undefined, json })
}

function sockets (count: number): string {
  return count === 1 ? '1 socket' : `${count} sockets`
}
