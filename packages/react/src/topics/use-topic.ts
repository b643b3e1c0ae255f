import type { Connection } from '@fastify-airlock/client'
import { useEffect, useInsertionEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { useAirlock } from '../provider.js'
import { TopicStore } from './topic-store.js'
import type { Topic, UseTopicOptions } from './types.js'

/**
 * A topic of the nearest `TopicsProvider`, for as long as the component is mounted. Components that use the same topic share
 * one subscription on the wire, and StrictMode makes no second one. It resumes by itself after a lost connection; `load`
 * gets a snapshot when it begins and whenever messages were missed.
 *
 * @param topic `null` for none
 * @typeParam T the data of its messages
 * @throws {Error} when there is no provider above, or its connection has no topics
 *
 * @example
 * const { lastMessage, status, publish } = useTopic<Score>('match/7', { load: async () => { show(await fetchScore(7)) } })
 */
export function useTopic<T = unknown> (topic: string | null, options?: UseTopicOptions<T>): Topic<T> {
  return useTopicOf(useAirlock().connection, topic, options)
}

/**
 * {@link useTopic} of another connection: the `connection` of `useAirlockSocket` or of a hook of `createAirlock`, with the
 * option `connect: connectTopics`.
 *
 * @param connection `null` for none
 * @param topic `null` for none
 * @typeParam T the data of its messages
 * @throws {Error} when the connection has no topics
 */
export function useTopicOf<T = unknown> (connection: Connection<any, any> | null, topic: string | null, options: UseTopicOptions<T> = {}): Topic<T> {
  const [store] = useState(() => new TopicStore<T>())
  useInsertionEffect(() => {
    store.options = options
    return () => { store.options = {} }
  })
  const snapshot = useSyncExternalStore(store.follow, store.getSnapshot, store.getServerSnapshot)
  useEffect(() => store.start(connection, topic), [store, connection, topic])
  return useMemo(() => store.view(snapshot), [store, snapshot])
}
