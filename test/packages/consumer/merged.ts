/** What is merged into one package is merged into all. */
import type { WsIdentity as Guard } from '@fastify-airlock/guard'
import type { WsIdentity as Handshake } from '@fastify-airlock/handshake'
import type { HubIdentity, WsIdentity as Hub } from '@fastify-airlock/hub'
import type { WsIdentity as Introspect } from '@fastify-airlock/introspect'
import type { WsIdentity as Proxy } from '@fastify-airlock/proxy'
import type { FastifyRequest } from 'fastify'
import type { WsIdentity as Airlock } from 'fastify-airlock'
import type { Admin } from './claims.js'

export function claimsOf (identity: Airlock | Guard | Handshake | Hub | Introspect | Proxy | NonNullable<FastifyRequest['wsIdentity']>): Admin {
  return identity.claims
}
export const claimsInHub = (identity: HubIdentity): Admin => identity.claims
