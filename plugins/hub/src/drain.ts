import { setTimeout as sleep } from 'node:timers/promises'
import { inSlices } from '@fastify-airlock/core'
import type { DrainOptions } from './options.js'

/** What a drain does with its connections. */
export interface DrainActions<T> {
  /** Sends a close frame. */
  close: (connection: T) => void
  /** Ends a connection at once. */
  terminate: (connection: T) => void
  /** Time that a connection may take from `close` until it is gone, in milliseconds. */
  closeTimeout: number
  /** Aborted when the last connection is gone. */
  gone: AbortSignal
}

/**
 * Closes connections in batches, so that neither this process nor those that take over the clients get them all at once.
 * Batches grow where there are too many connections for the time.
 */
export async function drain<T> (
  connections: readonly T[],
  { batch, interval, timeout }: Required<DrainOptions>,
  { close, terminate, closeTimeout, gone }: DrainActions<T>
): Promise<void> {
  const deadline = performance.now() + timeout
  const steps = Math.max(1, Math.floor((timeout - closeTimeout) / interval))
  const size = Math.max(batch, Math.ceil(connections.length / steps))
  for (let start = 0; start < connections.length; start += size) {
    if (start > 0) await sleep(interval)
    await inSlices(connections.slice(start, start + size), close)
  }
  const late = await sleep(Math.max(0, deadline - performance.now()), true, { signal: gone }).catch(() => false)
  if (late) await inSlices(connections, terminate)
}
