import { ofServer, SendBound, watchWrites } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import { channels, type GuardCutEvent } from './events.js'
import type { GuardServerSettings } from './options.js'

/** What a connection ends with that ends without a close frame (RFC 6455, section 7.1.5). */
const ABNORMAL_CLOSURE = 1006

/** Cuts the sockets of a server whose peers do not take what is sent to them. Without limits nothing is watched. */
export function cutSlowReaders ({ server, websocketServer, log }: FastifyInstance, { maxSocketBytes, stallTimeout }: GuardServerSettings): SendBound<WebSocket> {
  const bound = new SendBound<WebSocket>({
    maxSocketBytes,
    stallTimeout,
    onCut: (socket, reason, bytes) => {
      log.info({ code: ABNORMAL_CLOSURE, reason, bytes }, 'websocket cut')
      if (channels.cut.hasSubscribers) channels.cut.publish(ofServer({ socket, code: ABNORMAL_CLOSURE, reason, bytes }, server) satisfies GuardCutEvent)
    }
  })
  if (maxSocketBytes !== Infinity || stallTimeout !== Infinity) watchWrites(websocketServer, socket => { bound.check(socket) }, log)
  return bound
}
