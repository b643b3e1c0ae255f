import type { Socket } from 'node:net'
import { canUsePrivateParts, type ProbeLog, usesPublicWay } from '@fastify-airlock/core'

/*
 * Everything that this package reads without it being documented, of Node 20 to 26. Each use says what happens without
 * it.
 */

/** Node: what a socket reads from and writes to. */
interface Handle {
  /** Bytes that the kernel has not taken yet. */
  writeQueueSize?: unknown
  /** What a TLS handle writes to; its own queue only shrinks when it is empty. */
  _parent?: Handle
}

/** Node: the handle of an open socket. */
interface WithHandle {
  _handle?: Handle | null
}

/** Logs one line if {@link unsentBytes} does not work: what it finds on the first socket decides for all. */
export function probeUnsentBytes (transport: Socket, log: ProbeLog): void {
  // A socket that was destroyed meanwhile has no handle, so it shows nothing.
  if (!transport.destroyed) canUsePrivateParts('the write queue of node:net', () => queueSize(transport) !== undefined, log)
}

/**
 * Bytes of the current write that the kernel has not taken yet. Nothing public tells how far a single large write has
 * come, and it may well take longer than a timeout; `socket.setTimeout` of Node itself looks here, too. Without it, the
 * result is 0 and a write counts only as a whole: a peer that takes longer than the timeout for what Node writes in one
 * go, which may be many messages, and is not heard meanwhile, is terminated.
 */
export function unsentBytes (transport: Socket): number {
  return usesPublicWay() ? 0 : queueSize(transport) ?? 0
}

function queueSize (transport: Socket): number | undefined {
  const { _handle: handle } = transport as unknown as WithHandle
  const size = (handle?._parent ?? handle)?.writeQueueSize
  return typeof size === 'number' ? size : undefined
}
