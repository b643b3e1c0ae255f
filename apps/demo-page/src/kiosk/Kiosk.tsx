import { connectTopics, type Position } from '@fastify-airlock/client/topics'
import { type SocketStatus, useAirlockSocket } from '@fastify-airlock/react'
import { useTopicOf } from '@fastify-airlock/react/topics'
import { useMemo, useRef, useState } from 'react'
import { getTicket, getToken } from '../connection/credentials.js'
import { loggedWebSocket } from '../connection/logged-socket.js'
import type { Incoming } from '../connection/messages.js'
import { LoginForm } from '../session/LoginForm.js'
import { session } from '../session/session.js'
import { useSessionState } from '../session/useSession.js'
import { timeOfDay } from '../ui/format.js'
import { useStore } from '../ui/hooks.js'
import { Line } from './Line.js'
import { Network } from './network.js'
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

/** What the order says of itself. */
const NO_NOTE = { text: '', isWarning: false }

/** The topic of all kiosks. */
const TOPIC = 'kiosk/reset'

/** What an admin has published to it. */
interface Reset {
  type: 'reset'
  /** When, by the clock of the server. */
  at: number
}

/** An order screen that an admin can reset from another window, also while it is away: it is reset when it is back. */
export function Kiosk () {
  const state = useSessionState()
  const user = state.status === 'in' ? state.session.user : null
  const [order, setOrder] = useState<Order>({})
  const [note, setNote] = useState(NO_NOTE)
  const network = useMemo(() => new Network(), [])
  const isCut = useStore(network.isCut)
  const WebSocket = useMemo(() => loggedWebSocket('kiosk', { onCreated: socket => network.add(socket) }), [network])
  const { status, connection, reconnect } = useAirlockSocket<Incoming, never>({
    url: '/ws/kiosk',
    enabled: user !== null,
    connect: connectTopics,
    getTicket: async context => {
      network.check()
      return await getTicket(context)
    },
    getToken,
    WebSocket,
    onError: ({ final }) => {
      if (final) session.check()
    }
  })
  /** Up to here it was away. */
  const missed = useRef<Position>(undefined)
  const topic = useTopicOf<Reset>(connection, user === null ? null : TOPIC, {
    onSubscribed: ({ position, recovered }) => {
      missed.current = recovered === true ? position : undefined
      if (recovered !== false) return
      // A reset may be among what was missed, and somebody else may stand before the kiosk by now.
      setOrder({})
      setNote({ text: 'Reset, as this kiosk does not know what it has missed', isWarning: true })
    },
    onMessage: ({ data: { at }, position }) => {
      setOrder({})
      const wasAway = missed.current !== undefined && position !== undefined && position.offset <= missed.current.offset
      setNote({ text: `Reset by an admin at ${timeOfDay(at)}${wasAway ? ', while this kiosk was away' : ''}`, isWarning: false })
    }
  })
  const toggle = () => {
    if (!isCut) return network.cut()
    network.mend()
    if (status === 'waiting') reconnect()
  }
  const { count, price } = total(order)
  const alter = (id: ProductId, by: 1 | -1) => {
    setNote(NO_NOTE)
    setOrder(order => change(order, id, by))
  }
  return (
    <div className='kiosk'>
      <header>
        <h1>What would you like?</h1>
        <p className='corner' data-status={status}>
          <span className='lamp' aria-hidden='true' />
          {isCut ? 'network cut' : WORDS[status]}{user !== null && status === 'open' && ` as ${user.name}`}
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
              <p className='reset-note' role='status' data-warning={note.isWarning}>{note.text}</p>
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
      {user !== null && <Line topic={topic} isCut={isCut} onToggle={toggle} />}
    </div>
  )
}
