import { addressKey } from '@fastify-airlock/core'
import type { FastifyRequest } from 'fastify'
import type { EventEmitter } from 'node:events'

/** Who wants to know about a token. */
export interface Asker {
  /** The key of the client's address, or of the subject of a re-check; empty where there is no address. */
  party: string
  /** Whether an open connection is re-checked. */
  isRecheck: boolean
  /** Whether nobody is there any more who could get the answer. */
  hasLeft (): boolean
  /**
   * Has a function called if the asker leaves.
   *
   * @returns a function that takes the listener away
   */
  onLeave (left: () => void): () => void
}

const STAYS = (): void => {}

/** The client of a request. */
export function clientOf (request: FastifyRequest): Asker {
  return {
    party: addressKey(request.ip),
    isRecheck: false,
    hasLeft: () => connectionOf(request)?.destroyed === true,
    onLeave: left => {
      const connection = connectionOf(request)
      return connection === undefined ? STAYS : onClose(connection, left)
    }
  }
}

/**
 * A re-check of this subject's connections. It stays until it has an answer.
 *
 * The name of its party contains a line break, so it cannot equal a client's: with `trustProxy` a header may claim any address.
 */
export function recheckOf (subject: string): Asker {
  return { party: `subject\n${subject}`, isRecheck: true, hasLeft: () => false, onLeave: () => STAYS }
}

interface Connection extends EventEmitter {
  destroyed?: boolean
}

/** What closes when the client leaves: over HTTP/2 many requests share a socket, and each has a stream; `injectWS` has nothing. */
function connectionOf ({ raw }: FastifyRequest): Connection | undefined {
  const { stream, socket } = raw as { stream?: Connection, socket?: Connection }
  return stream ?? socket
}

/** Who waits on a connection: one listener serves all requests that a client sends at once. */
const waiting = new WeakMap<Connection, Set<() => void>>()

function onClose (connection: Connection, left: () => void): () => void {
  let all = waiting.get(connection)
  if (all === undefined) {
    waiting.set(connection, all = new Set())
    connection.once('close', leave)
  }
  all.add(left)
  return () => {
    all.delete(left)
    if (all.size > 0) return
    // A connection may live long, and become a WebSocket.
    waiting.delete(connection)
    connection.off('close', leave)
  }
}

function leave (this: Connection): void {
  for (const left of waiting.get(this) as Set<() => void>) left()
}
