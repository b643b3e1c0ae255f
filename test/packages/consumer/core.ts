/** A plugin of somebody else's, which depends on core and protocol by name. */
import { createJwtVerifier, decorateIdentity, type WsIdentityTypes } from '@fastify-airlock/core'
import { CloseCode, parseServerMessage, SUBPROTOCOL } from '@fastify-airlock/protocol'
import type { Admin } from './claims.js'

export function merged (types: WsIdentityTypes): Admin {
  return types.claims
}

export const all = [createJwtVerifier, decorateIdentity, CloseCode.FORBIDDEN, parseServerMessage('{}')?.type, SUBPROTOCOL]
