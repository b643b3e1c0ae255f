'use client'

import { useAirlockSocket } from '@fastify-airlock/react'

/** @param api the origin of Fastify, where it is another than that of the page */
export function Chat ({ api = '' }: { api?: string | undefined }) {
  const { status, send, lastMessage } = useAirlockSocket<{ from: string, text: string }, string>({
    url: `${api.replace(/^http/, 'ws')}/ws`,
    getTicket: ({ signal }) => fetch(`${api}/ws/ticket`, { method: 'POST', credentials: 'include', signal })
  })
  return (
    <>
      <p id='status'>{status}</p>
      <button disabled={status !== 'open'} onClick={() => send('hello')}>Say hello</button>
      <p id='answer'>{lastMessage ? `${lastMessage.from}: ${lastMessage.text}` : ''}</p>
    </>
  )
}
