import { useEffect, useInsertionEffect, useMemo, useSyncExternalStore } from 'react'
import { isEnabled, type AirlockSocketOptions, type SocketHandlers } from './options.js'
import { Reader } from './reader.js'
import type { SocketStore } from './store.js'
import type { AirlockSocket } from './types.js'

/**
 * Keeps the connection of `store` while the component is mounted.
 *
 * The store gets the options in an insertion effect, for three reasons: it runs before every other effect, including
 * those of children; StrictMode does not repeat it; and its cleanup runs in the commit that removes the component.
 */
export function useConnection<In, Out> (store: SocketStore<In, Out>, options: AirlockSocketOptions<In, Out>): void {
  useInsertionEffect(() => {
    store.configure(options)
    return () => store.configure(null)
  })
  const { url, carrier, ticketName, protocols } = options
  const enabled = isEnabled(options)
  const target = JSON.stringify([String(url), carrier, ticketName, protocols])
  useEffect(() => enabled ? store.start() : undefined, [store, target, enabled])
}

/** Reads `store`, and passes its events to `handlers`. */
export function useReader<In, Out> (
  store: SocketStore<In, Out>, handlers: SocketHandlers<In> | null
): AirlockSocket<In, Out> {
  const reader = useMemo(() => new Reader(store), [store])
  useInsertionEffect(() => {
    reader.handle(handlers)
    return () => reader.handle(null)
  })
  const snapshot = useSyncExternalStore(reader.subscribe, reader.getSnapshot, reader.getServerSnapshot)
  return useMemo(() => reader.view(snapshot), [reader, snapshot])
}
