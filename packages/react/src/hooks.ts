import { useEffect, useInsertionEffect, useMemo, useSyncExternalStore } from 'react'
import { Reader } from './reader.js'
import type { SocketStore } from './store.js'
import type { AirlockSocket, AirlockSocketOptions, SocketHandlers } from './types.js'

/**
 * Keeps the connection of `store` while the component is mounted.
 *
 * The options are handed over in an insertion effect: it runs before every other effect, those of children included,
 * is not simulated by StrictMode, and is ended at the very commit that takes the component away.
 */
export function useConnection<In, Out> (store: SocketStore<In, Out>, options: AirlockSocketOptions<In, Out>): void {
  useInsertionEffect(() => {
    store.configure(options)
    return () => store.configure(null)
  })
  const { url, carrier, ticketName, protocols, enabled = true } = options
  const target = JSON.stringify([String(url), carrier, ticketName, protocols])
  useEffect(() => enabled ? store.start() : undefined, [store, target, enabled])
}

/** Reads `store`, and has its events handled by `handlers`. */
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
