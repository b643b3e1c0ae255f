/** What a page writes: no Node, no Fastify. */
import { connect, type AirlockError, type Connection } from '@fastify-airlock/client'
import { createAirlock, useAirlockSocket } from '@fastify-airlock/react'
import type { ReactElement } from 'react'
import { expectType } from './expect.js'

interface Message { type: 'tick', n: number }

export const connection: Connection<Message, string> = connect<Message, string>({
  url: '/ws',
  getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', signal }),
  getToken: async () => null,
  codec: { encode: message => new TextEncoder().encode(message), decode: () => ({ type: 'tick', n: 1 }) }
})
connection.on('message', message => { expectType<number>(message.n) })
connection.on('error', error => {
  expectType<AirlockError>(error)
  if (error.code === 'WSA_CLIENT_ERR_UNAUTHENTICATED') location.assign('/login')
  // @ts-expect-error No such code.
  if (error.code === 'WSA_CLIENT_ERR_NONE') location.reload()
})
for await (const message of connection) expectType<'tick'>(message.type)

export const { AirlockProvider, useAirlock } = createAirlock<Message, string>()

export function Chat ({ jwt }: { jwt: string }): ReactElement {
  const { status, send, lastMessage } = useAirlockSocket<Message, string>({ url: '/ws', getToken: () => jwt })
  return <button disabled={status !== 'open'} onClick={() => send('hello')}>{lastMessage?.n}</button>
}
