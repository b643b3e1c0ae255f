import { milliseconds, parseOptions } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_HEARTBEAT_ERR_OPTION } from './errors.js'

const INTERVAL_MS = 25_000
const TIMEOUT_MS = 10_000

const schema = v.pipe(
  v.strictObject({
    interval: v.optional(milliseconds, INTERVAL_MS),
    timeout: v.optional(milliseconds),
    auto: v.optional(v.boolean(), true)
  }),
  v.transform(({ interval, timeout = Math.min(TIMEOUT_MS, interval), auto }) => ({ interval, timeout, auto })),
  // A ping is only sent when the one before is settled, so with a longer timeout `interval` would not be kept.
  v.forward(v.check(({ interval, timeout }) => timeout <= interval, 'Expected at most interval'), ['timeout'])
)

/**
 * Checks the plugin's options and fills the defaults in.
 *
 * @throws `WSA_HEARTBEAT_ERR_OPTION`
 */
export function parseHeartbeat (options: unknown): v.InferOutput<typeof schema> {
  return parseOptions(schema, options, WSA_HEARTBEAT_ERR_OPTION)
}
