import { callback, milliseconds, nonEmptyString, parseOptions, positiveInteger } from '@fastify-airlock/core'
import { SUBPROTOCOL } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import { ticket } from './authenticators.js'
import { isCarrierProtocol } from './credentials.js'
import { WSA_GUARD_ERR_OPTION } from './errors.js'
import type { Authenticate, GuardOptions } from './types.js'

const authenticate = v.custom<Authenticate>(
  value => typeof value === 'function' || (typeof value === 'object' && value !== null && ('prepare' in value || 'authenticate' in value)),
  'Expected ticket(), jwt(), an authenticator, a function, or a list of these'
)

const guard = v.strictObject({
  authenticate: v.optional(v.pipe(
    v.unknown(),
    v.transform(value => [value].flat()),
    v.array(authenticate),
    v.nonEmpty()
  ), () => ticket()),
  allowedOrigins: v.optional(v.array(v.union([nonEmptyString, callback<(origin: string) => boolean | Promise<boolean>>()]))),
  missingOrigin: v.optional(v.picklist(['auto', 'allow', 'deny']), 'auto'),
  protocols: v.optional(
    v.array(v.pipe(nonEmptyString, v.check(protocol => !isCarrierProtocol(protocol), 'A carrier is never selected'))),
    () => [SUBPROTOCOL]
  ),
  refusalHooks: v.optional(v.boolean(), false)
})

const server = v.strictObject({
  upgradeTimeout: v.optional(milliseconds, 10_000),
  pendingPerAddress: v.optional(positiveInteger, 256),
  refuseBeforeRouting: v.optional(v.boolean(), false)
})

/** Checks the options of one guard. */
export const parseGuard = (options: GuardOptions) => parseOptions(guard, options, WSA_GUARD_ERR_OPTION)

/** Checks what applies to the whole server. */
export const parseServer = (options: object) => parseOptions(server, options, WSA_GUARD_ERR_OPTION)
