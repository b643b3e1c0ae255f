import { milliseconds, optionsObject, parseOptions } from '@fastify-airlock/core'
import * as v from 'valibot'
import { WSA_HEARTBEAT_ERR_OPTION } from './errors.js'

/** Options of the plugin. */
export interface WsHeartbeatOptions {
  /**
   * Time between two pings to the same silent connection, in milliseconds. The first ping comes after half of it to
   * all of it, at random. A connection that was heard since the last check is not pinged.
   * @default 25000
   */
  interval?: number
  /**
   * Time in which something has to be heard after a ping, in milliseconds; at most `interval`.
   * @default 10000, or `interval` if that is shorter
   */
  timeout?: number
  /**
   * Whether the plugin watches every connection of `fastify.websocketServer`, from the upgrade on. Without it, only
   * connections that you pass to {@link WsHeartbeat.watch} are watched.
   * @default true
   */
  auto?: boolean
}

const schema = v.pipe(
  optionsObject({
    interval: v.optional(milliseconds, 25_000),
    timeout: v.optional(milliseconds),
    auto: v.optional(v.boolean(), true)
  }),
  v.transform(({ interval, timeout = Math.min(10_000, interval), auto }) => ({ interval, timeout, auto })),
  // The next ping is sent once the one before is settled, so with a longer timeout pings would be further apart.
  v.forward(v.check(({ interval, timeout }) => timeout <= interval, 'Expected at most interval'), ['timeout'])
)

/** {@link WsHeartbeatOptions} with defaults filled in. */
export type HeartbeatSettings = v.InferOutput<typeof schema>

/**
 * Checks the options of the plugin and fills in the defaults.
 *
 * @throws {@link WSA_HEARTBEAT_ERR_OPTION} when an option is unknown, of the wrong type or out of range
 */
export function parseHeartbeatOptions (options: unknown): HeartbeatSettings {
  return parseOptions(schema, options, WSA_HEARTBEAT_ERR_OPTION)
}
