/** Assertions on types. Nothing here runs; the type check reads it. */
import { createElement } from 'react'
import {
  AirlockProvider, createAirlock, useAirlock, useAirlockSocket, useWebSocketLite, type AirlockError, type SocketStatus
} from '../src/index.js'

type In = { type: 'tick', n: number } | { type: 'echo', data: string }
type Out = { type: 'echo', data: string }

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

function same<Expected, Given> (_same: Same<Expected, Given>): void {}

export function Typed () {
  const socket = useAirlockSocket<In, Out>({
    url: '/ws',
    onMessage (message) {
      if (message.type === 'tick') message.n.toFixed()
      // @ts-expect-error: only a tick has a number
      else message.n.toFixed()
    }
  })
  same<SocketStatus, typeof socket.status>(true)
  same<In | undefined, typeof socket.lastMessage>(true)
  same<AirlockError | null, typeof socket.error>(true)
  socket.send({ type: 'echo', data: 'x' })
  // @ts-expect-error: not an outgoing message
  socket.send({ type: 'tick', n: 1 })
  // @ts-expect-error: properties are read-only
  socket.status = 'open'
  // @ts-expect-error: no such status
  if (socket.status === 'ready') return null
  socket.connection?.on('refreshed', ({ expiresAt }) => expiresAt.toFixed())
  return null
}

export function Untyped () {
  const { lastMessage, send } = useAirlockSocket({ url: new URL('wss://server/ws') })
  send({ anything: true })
  // @ts-expect-error: an unknown message must be narrowed first
  return lastMessage.type
}

export function Options () {
  // @ts-expect-error: a url is needed
  useAirlockSocket({})
  // @ts-expect-error: mounting and unmounting take the place of a signal
  useAirlockSocket({ url: '/ws', signal: new AbortController().signal })
  // @ts-expect-error: no such carrier
  useAirlockSocket({ url: '/ws', carrier: 'header' })
  useAirlockSocket({ url: '/ws', enabled: undefined, onMessage: undefined, getTicket: async () => await fetch('/ws/ticket') })
}

const { AirlockProvider: ChatProvider, useAirlock: useChat } = createAirlock<In, Out>()

export function Shared () {
  const chat = useChat({ onMessage: message => same<In, typeof message>(true) })
  // @ts-expect-error: not an outgoing message
  chat.send('x')
  const { send } = useAirlock<In, Out>()
  // @ts-expect-error: not an outgoing message
  send('x')
  createElement(ChatProvider, { url: '/ws', onMessage: message => same<In, typeof message>(true) }, 'children')
  createElement(AirlockProvider<In, Out>, { url: '/ws' })
  // @ts-expect-error: a url is needed
  createElement(ChatProvider, {})
}

export function Lite () {
  const lite = useWebSocketLite<In>({ socketUrl: '/ws', initPayload: { token: 'jwt' } })
  same<boolean, typeof lite.readyState>(true)
  same<(message: unknown) => boolean, typeof lite.send>(true)
  // @ts-expect-error: no such type of payload
  useWebSocketLite({ socketUrl: '/ws', initPayload: { type: 'login', token: 'jwt' } })
  return lite.data?.message.type
}
