import { type FormEvent, useLayoutEffect, useRef } from 'react'
import { LoginForm } from '../session/LoginForm.js'
import { useSessionState } from '../session/useSession.js'
import { OutcomeLine } from '../ui/Panel.js'
import { useOutcome, useStore } from '../ui/hooks.js'
import { useMain } from './MainConnection.js'
import { CARRIERS, choose, ROUTES, settings } from './settings.js'

const ROUTE_NAMES = { '/ws/demo': 'everyone', '/ws/admin': 'admins only', '/ws/kiosk': 'everyone, as a kiosk' } as const
const CARRIER_NAMES = { subprotocol: 'Subprotocol', cookie: 'Cookie', query: 'URL' } as const

/** The controls: log in, or pass the doors. */
export function Controls () {
  const state = useSessionState()
  const place = useRef<HTMLDivElement>(null)
  const { status } = state
  const last = useRef(status)
  useLayoutEffect(() => {
    const changed = last.current !== status && last.current !== 'restoring'
    last.current = status
    // The form that had the focus is gone. Without this, a keyboard user would have to start again at the top.
    if (changed && (document.activeElement === null || document.activeElement === document.body)) {
      place.current?.querySelector<HTMLElement>('[data-first], button')?.focus()
    }
  }, [status])
  return (
    <div className='controls' ref={place}>
      {status === 'out' && <LoginForm note={state.note} />}
      {status === 'in' && <ConnectForm />}
    </div>
  )
}

function ConnectForm () {
  const { route, carrier, wanted } = useStore(settings)
  const { status, connection, reconnect } = useMain()
  const [outcome, run] = useOutcome()
  const connected = wanted && status !== 'closed'
  const toggle = (event: FormEvent) => {
    event.preventDefault()
    if (connected) return choose({ wanted: false })
    choose({ wanted: true })
    if (status === 'closed') reconnect()
  }
  const act = () => {
    if (status === 'waiting') reconnect()
    if (status !== 'open') return
    run(async () => {
      await connection?.refresh()
      return 'The server has accepted a new JWT.'
    })
  }
  return (
    <form className='connect' onSubmit={toggle}>
      <label className='route'>Route
        <select value={route} onChange={event => choose({ route: ROUTES.find(name => name === event.target.value) ?? route })}>
          {ROUTES.map(name => <option key={name} value={name}>{name}: {ROUTE_NAMES[name]}</option>)}
        </select>
      </label>
      <fieldset className='segments'>
        <legend>Send the ticket as</legend>
        {CARRIERS.map(name => (
          <label key={name}>
            <input type='radio' name='carrier' checked={carrier === name} onChange={() => choose({ carrier: name })} />
            <span>{CARRIER_NAMES[name]}</span>
          </label>
        ))}
      </fieldset>
      <div className='row'>
        <button type='submit' className='primary connect-button' data-first>{connected ? 'Disconnect' : 'Connect'}</button>
        {/* One button that is never really disabled, so that it keeps the focus when its meaning changes. */}
        <button type='button' aria-disabled={status !== 'open' && status !== 'waiting'} onClick={act}>
          {status === 'waiting' ? 'Try now' : 'Refresh now'}
        </button>
      </div>
      <OutcomeLine outcome={outcome} />
    </form>
  )
}
