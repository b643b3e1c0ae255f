import { addressKey, PendingPool, serverOptionsOf } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import type { Socket } from 'node:net'

/**
 * Bounds how many TCP connections one client address (IPv6 by /64) has, from the first packet on: before a TLS handshake, a
 * request or anything else that a silent client never sends. One more is closed at once.
 *
 * With `trustProxy` nothing is counted: the connections are those of the proxies, and all clients share their addresses.
 */
export class AddressConnections {
  /** Connections that were closed because their address had too many, since the start. */
  dropped = 0
  readonly #pool: PendingPool<Socket> | null
  /** Addresses that were logged, for as long as they are at the limit. */
  readonly #told = new Set<string>()

  constructor (fastify: FastifyInstance, limit: number) {
    const options = serverOptionsOf(fastify)
    // Where a Fastify hides its options, one is assumed: all users behind it would have one limit.
    const isBehindProxy = options === undefined || Boolean(options.trustProxy)
    this.#pool = isBehindProxy || limit === Infinity ? null : new PendingPool(limit, ({ remoteAddress }) => addressKey(remoteAddress) || null)
    const pool = this.#pool
    if (pool === null) return
    const told = this.#told
    const onClose = function (this: Socket): void {
      pool.release(this)
      if (told.size > 0 && pool.size < limit) told.clear()
    }
    fastify.server.on('connection', (socket: Socket) => {
      // One function for all sockets, which finds its own as `this`.
      if (pool.acquire(socket)) {
        socket.on('close', onClose)
        return
      }
      this.dropped++
      const address = addressKey(socket.remoteAddress)
      // Each line that is told for an address has cost it that many connections.
      if (!told.has(address)) fastify.log.info({ code: 'WSA_GUARD_ERR_CONNECTIONS', address }, 'too many connections of one address')
      told.add(address)
      socket.destroy()
    })
  }
}
