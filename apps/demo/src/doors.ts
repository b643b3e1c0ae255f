import type { WsIdentity } from '@fastify-airlock/core'
import type { GuardOptions } from '@fastify-airlock/guard'
import type { FastifyInstance } from 'fastify'
import type { Config } from './config.js'
import { userOf } from './users.js'

/** Options that the doors of all routes have in common. */
export function doorOptions (fastify: FastifyInstance, { allowedOrigins, authTimeout }: Config) {
  const origins: GuardOptions = allowedOrigins === undefined ? {} : { allowedOrigins }
  const isRevoked = ({ claims }: Pick<WsIdentity, 'claims'>) => fastify.denylist.has(claims)
  const describeUser = ({ claims }: WsIdentity) => ({ ...userOf(claims) })
  return { origins, isRevoked, handshake: { authTimeout, isRevoked, describeUser } }
}
