import { useState } from 'react'
import { useConnection, useReader } from './hooks.js'
import { SocketStore } from './store.js'
import type { AirlockSocket, AirlockSocketOptions } from './types.js'

/**
 * A socket that lives as long as the component: one connection and one ticket per mount, under StrictMode as well.
 * A component renders again only when something changes that it reads from the result.
 *
 * What the client's `connect` would throw ends in `error`, with the status `closed`.
 *
 * @typeParam In the messages that come
 * @typeParam Out the messages that go
 *
 * @example
 * const { status, send, lastMessage } = useAirlockSocket<Incoming, Outgoing>({
 *   url: '/ws',
 *   getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', signal }),
 *   getToken: () => session.token
 * })
 */
export function useAirlockSocket<In = unknown, Out = unknown> (
  options: AirlockSocketOptions<In, Out>
): AirlockSocket<In, Out> {
  const [store] = useState(() => new SocketStore<In, Out>())
  const socket = useReader(store, null)
  useConnection(store, options)
  return socket
}
