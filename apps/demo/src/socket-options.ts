import type { WsIdentity } from '@fastify-airlock/core'
import type { GuardOptions } from '@fastify-airlock/guard'
import type { FastifyInstance } from 'fastify'
import type { DemoConfig } from './config.js'
import { userOf } from './users.js'

/** Options that all WebSocket routes have in common: for the guard, for its authenticators and for the handshake. */
export function socketOptions (fastify: FastifyInstance, { allowedOrigins, authTimeout, nodeName }: DemoConfig) {
  const origins: GuardOptions = allowedOrigins === undefined ? {} : { allowedOrigins }
  const isRevoked = ({ claims }: Pick<WsIdentity, 'claims'>) => fastify.denylist.has(claims)
  const describeUser = ({ claims }: WsIdentity) => ({ ...userOf(claims), ...(nodeName !== undefined && { node: nodeName }) })
  return { origins, isRevoked, handshake: { authTimeout, isRevoked, describeUser } }
}
