import { parseServerMessage, SUBPROTOCOL, TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import { LoggedSocket, NO_CLOSE_FRAME } from '../connection/logged-socket.js'
import type { Answer } from './verdict.js'

/** Time that the server has to answer. Longer than each of its own default deadlines. */
const PATIENCE_MS = 12_000

/** A WebSocket without the Airlock client, to do what the client would never do. */
export interface RawSocket {
  /** Whether the upgrade succeeded. */
  readonly opened: Promise<boolean>
  /** Whether `auth_ok` came before the end. */
  readonly welcomed: Promise<boolean>
  /** How it ended: by the server, or by our timeout. */
  readonly ended: Promise<Answer>
  send (message: unknown): void
  close (): void
}

/** Opens a WebSocket without the client. */
export function openRaw ({ path = '/ws/demo', protocols, lane }: { path?: string, protocols: string[], lane: string }): RawSocket {
  const socket = new LoggedSocket(path, protocols, lane)
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

/** The subprotocols of an honest attempt with a ticket. */
export function withTicket (ticket: string): string[] {
  return [SUBPROTOCOL, TICKET_PROTOCOL_PREFIX + ticket]
}
