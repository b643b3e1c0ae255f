import { offOr, optionsObject, parseOptions, type RunningServerLimits, runningServerLimits, type WebsocketOptionsInput } from '@fastify-airlock/core'
import type { GuardPluginOptions, RedactLogsOptions } from '@fastify-airlock/guard'
import type { WsHandshakeOptions } from '@fastify-airlock/handshake'
import type { WsHeartbeatOptions } from '@fastify-airlock/heartbeat'
import type { WsHubOptions } from '@fastify-airlock/hub'
import type { WsPresenceOptions } from '@fastify-airlock/presence'
import type { WsTicketsOptions } from '@fastify-airlock/ticket'
import type { FastifyJWTOptions } from '@fastify/jwt'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { LogLevel, RegisterOptions } from 'fastify'
import * as v from 'valibot'
import { WSA_AIRLOCK_ERR_OPTION } from './errors.js'
import { whereItBelongs } from './misplaced.js'

/** Options for `@fastify/websocket`: those of `websocketOptions()`, and what they do not cover. */
export interface WebsocketPartOptions extends WebsocketOptionsInput {
  /**
   * Options of the `ws` server that replace those of `websocketOptions()`, one by one.
   * @default {}
   */
  options?: NonNullable<WebsocketPluginOptions['options']>
  /**
   * Replaces the hook that drains the hub and closes the rest with 1012.
   * @default that of websocketOptions()
   */
  preClose?: NonNullable<WebsocketPluginOptions['preClose']>
}

/**
 * Options of the plugin. A part is left out with `false`; an object has the options of its plugin. A part that the
 * application has registered before is used as it is, and takes no options here.
 */
export interface AirlockOptions {
  /**
   * Limits of the HTTP server: how long a slow or silent client may hold a connection, and how many connections there may be.
   * One that is given here is set; of the others, those that the application has left at the defaults of Fastify and Node.
   * With `false` nothing is set.
   * @default {}
   */
  server?: RunningServerLimits | false
  /**
   * `@fastify/websocket`, with `websocketOptions()`.
   * @default {}
   */
  websocket?: WebsocketPartOptions | false
  /**
   * `@fastify/jwt`. Without options, it is not registered: register it before, or give `ticket.route.authenticate` and
   * `handshake.jwt.verify`.
   * @default undefined
   */
  jwt?: FastifyJWTOptions | false
  /**
   * The guard.
   * @default {}
   */
  guard?: GuardPluginOptions | false
  /**
   * Tickets, and the route that issues them.
   * @default {}
   */
  ticket?: WsTicketsOptions | false
  /**
   * The handshake.
   * @default {}
   */
  handshake?: WsHandshakeOptions | false
  /**
   * The hub.
   * @default {}
   */
  hub?: WsHubOptions | false
  /**
   * Who is there, in a topic or at all. Without options, it is not registered.
   * @default undefined
   */
  presence?: WsPresenceOptions | false
  /**
   * The heartbeat.
   * @default {}
   */
  heartbeat?: WsHeartbeatOptions | false
  /**
   * What is kept out of the log, and whether unknown routes are answered without their query.
   * @default {}
   */
  redaction?: RedactLogsOptions | false
  /**
   * Prefix of the route that issues tickets, as in Fastify's `register`.
   * @default ''
   */
  prefix?: string
  /** Level of the log of the route that issues tickets, as in Fastify's `register`. */
  logLevel?: LogLevel
  /** Serializers of the route that issues tickets, as in Fastify's `register`. */
  logSerializers?: NonNullable<RegisterOptions['logSerializers']>
}

const part = <T extends object>() => v.optional(v.custom<T | false>(
  value => value === false || (typeof value === 'object' && value !== null && !Array.isArray(value)),
  'Expected false, or an object with the options of the plugin'
))

const schema = optionsObject({
  websocket: part<WebsocketPartOptions>(),
  jwt: part<FastifyJWTOptions>(),
  guard: part<GuardPluginOptions>(),
  ticket: part<WsTicketsOptions>(),
  handshake: part<WsHandshakeOptions>(),
  hub: part<WsHubOptions>(),
  presence: part<WsPresenceOptions>(),
  heartbeat: part<WsHeartbeatOptions>(),
  redaction: v.optional(v.union([v.literal(false), optionsObject({
    parameters: v.optional(v.pipe(v.array(v.string()), v.transform(names => names.map(name => name.toLowerCase())))),
    notFoundHandler: v.optional(v.boolean(), true)
  })]), {}),
  server: v.optional(offOr(false, runningServerLimits, ['object'], 'an object with limits'), {}),
  prefix: v.optional(v.string()),
  logLevel: v.optional(v.string()),
  logSerializers: v.optional(v.record(v.string(), v.function()))
})

/** {@link AirlockOptions} that were checked. */
export type AirlockSettings = v.InferOutput<typeof schema>

/**
 * Checks the options, except for those that belong to the plugins of the parts.
 *
 * @throws {@link WSA_AIRLOCK_ERR_OPTION} when an option is unknown or of the wrong type
 */
export function parseAirlockOptions (options: object): AirlockSettings {
  const own = Object.keys(schema.entries)
  for (const name of Object.keys(options)) {
    const place = own.includes(name) ? undefined : whereItBelongs(name, own)
    if (place !== undefined) throw new WSA_AIRLOCK_ERR_OPTION(place)
  }
  return parseOptions(schema, options, WSA_AIRLOCK_ERR_OPTION)
}
