import type { Answer, Attempt, RawSocket } from '@fastify-airlock/doctor/scenarios'
import { parseServerMessage, SUBPROTOCOL, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import { LoggedSocket, NO_CLOSE_FRAME } from '../connection/logged-socket.js'

/** Time that the server has to answer. Longer than each of its own default deadlines. */
const PATIENCE_MS = 12_000

/** Opens a WebSocket without the client, to do what the client would never do. */
export function openRaw (lane: string, { ticket, another, subprotocol = SUBPROTOCOL, route }: Attempt): RawSocket {
  const protocols = [subprotocol, ...(ticket === undefined ? [] : [TICKET_PROTOCOL_PREFIX + ticket])]
  const socket = new LoggedSocket(`/ws/${route ?? 'demo'}${another === undefined ? '' : `?ticket=${another}`}`, protocols, lane)
  let announced = false
  const opened = new Promise<boolean>(resolve => {
    socket.addEventListener('open', () => resolve(true))
    socket.addEventListener('close', () => resolve(false))
  })
  const welcomed = new Promise<boolean>(resolve => {
    socket.addEventListener('message', ({ data }) => {
      const type = typeof data === 'string' ? parseServerMessage(data)?.type : undefined
      if (type === 'auth_ok') resolve(true)
      if (type === 'auth_error') announced = true
    })
    socket.addEventListener('close', () => resolve(false))
  })
  const ended = new Promise<Answer>(resolve => {
    const timer = setTimeout(() => {
      resolve({ kind: 'in', what: `still open after ${PATIENCE_MS / 1_000} s` })
      socket.close()
    }, PATIENCE_MS)
    socket.addEventListener('close', async ({ code, reason }) => {
      clearTimeout(timer)
      resolve(await opened || code !== NO_CLOSE_FRAME
        ? { kind: 'closed', code, reason, announced }
        : { kind: 'refused', refusal: await socket.refusal })
    })
  })
  return {
    opened,
    welcomed,
    ended,
    send: message => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    close: () => socket.close(1000)
  }
}
