import { useState } from 'react'
import { useConnection, useReader } from './hooks.js'
import type { AirlockSocketOptions } from './options.js'
import { SocketStore } from './store.js'
import type { AirlockSocket } from './types.js'

/**
 * A socket that lives as long as the component: one connection and one ticket per mount, even in StrictMode. The
 * component renders again only when something changes that it reads from the result.
 *
 * Options that the client cannot use do not throw: the status becomes `closed`, and `error` says why.
 *
 * @typeParam In the messages that arrive
 * @typeParam Out the messages that are sent
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
