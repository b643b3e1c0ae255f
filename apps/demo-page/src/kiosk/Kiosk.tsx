import { type SocketStatus, useAirlockSocket } from '@fastify-airlock/react'
import { useMemo, useState } from 'react'
import { getTicket, getToken } from '../connection/credentials.js'
import { loggedWebSocket } from '../connection/logged-socket.js'
import type { Incoming } from '../connection/messages.js'
import { LoginForm } from '../session/LoginForm.js'
import { session } from '../session/session.js'
import { useSessionState } from '../session/useSession.js'
import { timeOfDay } from '../ui/format.js'
import { change, money, type Order, PRODUCTS, type ProductId, total } from './order.js'
import { Picture } from './Picture.js'

const WORDS: Record<SocketStatus, string> = {
  idle: 'not connected',
  ticket: 'connecting',
  connecting: 'connecting',
  authenticating: 'connecting',
  open: 'connected',
  waiting: 'connection lost, reconnecting',
  closed: 'disconnected by the server'
}

/** An order screen that an admin can reset from another window. */
export function Kiosk () {
  const state = useSessionState()
  const user = state.status === 'in' ? state.session.user : null
  const [order, setOrder] = useState<Order>({})
  const [resetAt, setResetAt] = useState<number | null>(null)
  const WebSocket = useMemo(() => loggedWebSocket('kiosk'), [])
  const { status, reconnect } = useAirlockSocket<Incoming, never>({
    url: '/ws/kiosk',
    enabled: user !== null,
    getTicket,
    getToken,
    WebSocket,
    onMessage: message => {
      if (message.type !== 'reset') return
      setOrder({})
      setResetAt(Date.now())
    },
    onError: ({ final }) => {
      if (final) session.check()
    }
  })
  const { count, price } = total(order)
  const alter = (id: ProductId, by: 1 | -1) => {
    setResetAt(null)
    setOrder(order => change(order, id, by))
  }
  return (
    <div className='kiosk'>
      <header>
        <h1>What would you like?</h1>
        <p className='corner' data-status={status}>
          <span className='lamp' aria-hidden='true' />
          {WORDS[status]}{user !== null && ` as ${user.name}`}
          {status === 'closed' && <button type='button' className='small' onClick={reconnect}>Connect again</button>}
        </p>
      </header>
      <main>
        {state.status === 'out' && (
          <section className='kiosk-login' aria-labelledby='kiosk-login'>
            <h2 id='kiosk-login'>Log in to open this kiosk</h2>
            <LoginForm note={state.note} />
          </section>
        )}
        {user !== null && (
          <>
            <ul className='products'>
              {PRODUCTS.map(({ id, name, price }) => (
                <li key={id}>
                  <button type='button' className='product' data-product={id} onClick={() => alter(id, 1)}>
                    <Picture of={id} />
                    <b><span className='visually-hidden'>Add </span>{name}</b>
                    <span>{money(price)}</span>
                    {(order[id] ?? 0) > 0 && <span className='badge' aria-hidden='true'>{order[id]}</span>}
                  </button>
                </li>
              ))}
            </ul>
            <section className='order' aria-labelledby='order' data-count={count}>
              <h2 id='order'>Your order</h2>
              <p className='reset-note' role='status'>{resetAt === null ? '' : `Reset by an admin at ${timeOfDay(resetAt)}`}</p>
              {count === 0
                ? <p className='nothing'>Nothing yet. Tap a product to add it.</p>
                : (
                  <ul>
                    {PRODUCTS.filter(({ id }) => order[id] !== undefined).map(({ id, name, price }) => (
                      <li key={id}>
                        <span>{order[id]} × {name}</span>
                        <span>{money(price * (order[id] ?? 0))}</span>
                        <button type='button' aria-label={`Remove one ${name}`} onClick={() => alter(id, -1)}>−</button>
                      </li>
                    ))}
                  </ul>
                  )}
              <p className='total'><span>Total</span><b>{money(price)}</b></p>
            </section>
          </>
        )}
      </main>
    </div>
  )
}
