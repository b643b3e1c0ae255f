import { SetUp } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import cluster from 'node:cluster'
import type { TicketStore } from './store.js'
import { MemoryStore } from './stores/memory.js'

/** The code of the warning about tickets that other nodes do not know. */
export const MEMORY_STORE = 'WSA_TICKET_WARN_MEMORY_STORE'

/** The part of `fastify.wsHub` that tells whether there are other nodes. */
interface WithHub {
  wsHub?: { health? (): { bus?: unknown } }
}

/** Warns at the start if tickets are in the memory of this process and it can be seen that it is one of several. */
export function checkNodes (fastify: FastifyInstance, store: TicketStore): void {
  if (!(store instanceof MemoryStore)) return
  const setUp = SetUp.of(fastify)
  setUp.check(() => {
    const { bus = 'none' } = (fastify as WithHub).wsHub?.health?.() ?? {}
    const sign = cluster.isWorker ? 'this process is a worker of a cluster' : bus === 'none' ? null : 'the hub has a bus to other nodes'
    if (sign !== null) setUp.warn(MEMORY_STORE, `Tickets are in the memory of this process, and ${sign}: a ticket is unknown there. Give wsTickets a store that all nodes share, such as new RedisStore(redis)`)
  })
}
