/** What is merged into one package is merged into all. */
import type { WsIdentity as Guard } from '@fastify-airlock/guard'
import type { AuthenticatedRequest } from '@fastify-airlock/handshake'
import type { HubIdentity } from '@fastify-airlock/hub'
import type { WsIdentity as Introspect } from '@fastify-airlock/introspect'
import type { WsIdentity as Proxy } from '@fastify-airlock/proxy'
import type { FastifyRequest } from 'fastify'
import type { WsIdentity as Airlock } from 'fastify-airlock'
import type { Admin } from './claims.js'

export function claimsOf (identity: Airlock | Guard | AuthenticatedRequest['wsIdentity'] | HubIdentity | Introspect | Proxy | NonNullable<FastifyRequest['wsIdentity']>): Admin {
  return identity.claims
}
