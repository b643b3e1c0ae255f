/** What a page writes: no Node, no Fastify. */
import { connect, type AirlockError, type Connection } from '@fastify-airlock/client'
import { connectTopics, type Position, type TopicsConnection } from '@fastify-airlock/client/topics'
import { connectPresence, type PresenceConnection } from '@fastify-airlock/client/presence'
import { createAirlock, useAirlockSocket } from '@fastify-airlock/react'
import { PresenceProvider, usePresence } from '@fastify-airlock/react/presence'
import { TopicsProvider, useTopic } from '@fastify-airlock/react/topics'
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

export const topics: TopicsConnection<Message, string> = connectTopics<Message, string>({ url: '/ws' })
topics.subscribe<Message>('news', ({ data, position }) => {
  expectType<number>(data.n)
  expectType<Position | undefined>(position)
})
for await (const { data } of topics.subscribe<Message>('news', { load: async ({ signal }) => { await fetch('/news', { signal }) } })) expectType<'tick'>(data.type)
expectType<Position | undefined>((await topics.publish('news', 1)).position)
topics.on('error', error => { expectType<string | undefined>(error.reason) })

export const presence: PresenceConnection<Message, string> & TopicsConnection<Message, string> = connectPresence<Message, string, TopicsConnection<Message, string>>({ url: '/ws', connect: connectTopics })
presence.presence<{ typing: boolean }>('room', ({ users }) => { expectType<boolean | undefined>(users[0]?.state?.typing) }).set({ typing: true })

export function Room (): ReactElement {
  const { users, set } = usePresence<number>('room')
  return <PresenceProvider url='/ws'><button onClick={() => set(1)}>{users[0]?.state}</button></PresenceProvider>
}

export function News (): ReactElement {
  const { lastMessage } = useTopic<Message>('news')
  return <TopicsProvider url='/ws'>{lastMessage?.data.n}</TopicsProvider>
}
