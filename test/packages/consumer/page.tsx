/** What a page writes: no Node, no Fastify. */
import { connect, type AirlockError, type Connection } from '@fastify-airlock/client'
import { connectTopics, type Position, type TopicsConnection } from '@fastify-airlock/client/topics'
import { createAirlock, useAirlockSocket } from '@fastify-airlock/react'
import { type Topic, TopicsProvider, useTopic, useTopicOf } from '@fastify-airlock/react/topics'
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

export function useScore (): Topic<number> {
  const { connection } = useAirlockSocket({ url: '/ws', connect: connectTopics })
  return useTopicOf<number>(connection, 'score', { onMessage: ({ data }) => { expectType<number>(data) } })
}

export function News (): ReactElement {
  const { lastMessage } = useTopic<Message>('news')
  return <TopicsProvider url='/ws'>{lastMessage?.data.n}</TopicsProvider>
}
