import { milliseconds } from '@fastify-airlock/core'
import { CLOSE_TIMEOUT_MS } from '@fastify-airlock/protocol'
import * as v from 'valibot'

/** The valibot schema of the plugin's options. */
export const hubOptions = v.strictObject({
  closeTimeout: v.optional(milliseconds, CLOSE_TIMEOUT_MS)
})
