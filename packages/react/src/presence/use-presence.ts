import type { Connection } from '@fastify-airlock/client'
import { useEffect, useState, useSyncExternalStore } from 'react'
import { useAirlock } from '../provider.js'
import { PresenceStore } from './presence-store.js'
import type { WhoIsThere } from './types.js'

/**
 * Who is there in a topic, for as long as the component is mounted, by the nearest `PresenceProvider`. Components that look at the same topic
 * share one watch on the wire, and StrictMode makes no second one. It goes on by itself after a lost connection.
 *
 * @param topic `''` for everyone who is connected, `null` for none
 * @typeParam State what users show of themselves
 * @throws {Error} when there is no provider above, or its connection does not know who is there
 *
 * @example
 * const { users, set } = usePresence<{ typing: boolean }>('room/7')
 */
export function usePresence<State = unknown> (topic: string | null): WhoIsThere<State> {
  return usePresenceOf(useAirlock().connection, topic)
}

/**
 * {@link usePresence} of another connection: the `connection` of `useAirlockSocket` or of a hook of `createAirlock`, with the
 * option `connect: connectPresence`.
 *
 * @param connection `null` for none
 * @param topic `''` for everyone who is connected, `null` for none
 * @typeParam State what users show of themselves
 * @throws {Error} when the connection does not know who is there
 */
export function usePresenceOf<State = unknown> (connection: Connection<any, any> | null, topic: string | null): WhoIsThere<State> {
  const [store] = useState(() => new PresenceStore<State>())
  const snapshot = useSyncExternalStore(store.follow, store.getSnapshot, store.getServerSnapshot)
  useEffect(() => store.start(connection, topic), [store, connection, topic])
  return snapshot
}
