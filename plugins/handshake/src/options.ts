import { callback, jwtOptions, milliseconds, nonEmptyString, positiveInteger, type WsIdentity } from '@fastify-airlock/core'
import {
  AUTH_TIMEOUT_MS, CLOSE_TIMEOUT_MS, EXPIRING_AT, EXPIRY_GRACE_MS, MAX_CONTROL_BYTES, MAX_EARLY_BYTES, MAX_EARLY_FRAMES
} from '@fastify-airlock/protocol'
import * as v from 'valibot'
import type { WsHandshakeOptions } from './types.js'

/** The valibot schema of {@link WsHandshakeOptions}. */
export const handshakeOptions = v.strictObject({
  jwt: v.optional(jwtOptions, {}),
  authTimeout: v.optional(milliseconds, AUTH_TIMEOUT_MS),
  maxAuthBytes: v.optional(positiveInteger, MAX_CONTROL_BYTES),
  maxEarlyFrames: v.optional(positiveInteger, MAX_EARLY_FRAMES),
  maxEarlyBytes: v.optional(positiveInteger, MAX_EARLY_BYTES),
  closeTimeout: v.optional(milliseconds, CLOSE_TIMEOUT_MS),
  expiringAt: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), EXPIRING_AT),
  expiryGrace: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), EXPIRY_GRACE_MS),
  refreshInterval: v.optional(milliseconds, 1_000),
  pendingPerAddress: v.optional(positiveInteger, 256),
  isRevoked: v.optional(callback<NonNullable<WsHandshakeOptions['isRevoked']>>()),
  authorize: v.optional(callback<NonNullable<WsHandshakeOptions['authorize']>>()),
  authorizeMessage: v.optional(callback<NonNullable<WsHandshakeOptions['authorizeMessage']>>()),
  scopeClaims: v.optional(v.array(nonEmptyString), ['scope', 'role', 'roles', 'groups', 'entitlements']),
  // A default that is a function would be called for the default, so it is wrapped in one.
  describeUser: v.optional(
    callback<NonNullable<WsHandshakeOptions['describeUser']>>(),
    () => ({ subject }: WsIdentity) => ({ id: subject })
  ),
  hub: v.optional(v.boolean(), true)
})

/** {@link WsHandshakeOptions} with the defaults filled in. */
export type ResolvedOptions = v.InferOutput<typeof handshakeOptions>
