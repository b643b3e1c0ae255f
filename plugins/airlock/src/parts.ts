import { noteTrusted, websocketOptions } from '@fastify-airlock/core'
import wsGuard, { type GuardPluginOptions } from '@fastify-airlock/guard'
import wsHandshake from '@fastify-airlock/handshake'
import wsHeartbeat from '@fastify-airlock/heartbeat'
import wsHub from '@fastify-airlock/hub'
import wsPresence from '@fastify-airlock/presence'
import wsTickets, { type WsTicketsOptions } from '@fastify-airlock/ticket'
import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyPluginCallback } from 'fastify'
import { WSA_AIRLOCK_ERR_ALREADY_REGISTERED, WSA_AIRLOCK_ERR_MISSING_PART, WSA_AIRLOCK_ERR_OPTION } from './errors.js'
import type { AirlockSettings, WebsocketPartOptions } from './options.js'

/** A plugin that is registered unless it is there. */
interface Part {
  name: 'websocket' | 'guard' | 'jwt' | 'ticket' | 'handshake' | 'hub' | 'presence' | 'heartbeat'
  /** The decorator that shows that it is there. */
  decorator: string
  plugin: FastifyPluginAsync<never> | FastifyPluginCallback<never>
  /** Whether it works with `@fastify/websocket` only. */
  needsWebsocket: boolean
}

/** All parts, in the order in which they have to be registered. */
const PARTS: readonly Part[] = [
  { name: 'websocket', decorator: 'websocketServer', plugin: websocket, needsWebsocket: false },
  // Before every plugin that adds hooks: it has to see each upgrade first.
  { name: 'guard', decorator: 'wsGuard', plugin: wsGuard, needsWebsocket: true },
  { name: 'jwt', decorator: 'jwt', plugin: fastifyJwt, needsWebsocket: false },
  { name: 'ticket', decorator: 'wsTickets', plugin: wsTickets, needsWebsocket: false },
  { name: 'handshake', decorator: 'wsHandshake', plugin: wsHandshake, needsWebsocket: true },
  { name: 'hub', decorator: 'wsHub', plugin: wsHub, needsWebsocket: false },
  { name: 'presence', decorator: 'wsPresence', plugin: wsPresence, needsWebsocket: false },
  { name: 'heartbeat', decorator: 'wsHeartbeat', plugin: wsHeartbeat, needsWebsocket: true }
]

/** Those that nobody gets without options. */
const OPTIONAL: ReadonlySet<Part['name']> = new Set(['jwt', 'presence'])

/**
 * Registers the parts that are neither there nor left out.
 *
 * @throws {@link WSA_AIRLOCK_ERR_ALREADY_REGISTERED} when a part that is there was given options
 * @throws {@link WSA_AIRLOCK_ERR_MISSING_PART} when a part needs one that is not there
 * @throws {@link WSA_AIRLOCK_ERR_OPTION} when `@fastify/jwt` would get no secret
 */
export async function registerParts (fastify: FastifyInstance, settings: AirlockSettings): Promise<void> {
  for (const { name, decorator, plugin, needsWebsocket } of PARTS) {
    const options = settings[name]
    if (fastify.hasDecorator(decorator)) {
      // Options without effect could be those that the application relies on for its security.
      if (Object.keys(options || {}).length > 0) {
        throw new WSA_AIRLOCK_ERR_ALREADY_REGISTERED(`${name}: give its options where you register it, or let this plugin register it`)
      }
      continue
    }
    if (options === false || (OPTIONAL.has(name) && options === undefined)) continue
    if (needsWebsocket && !fastify.hasDecorator('websocketServer')) {
      throw new WSA_AIRLOCK_ERR_MISSING_PART(`${name}: register @fastify/websocket first, at the root, and await it; or leave out websocket: false`)
    }
    if (name === 'presence' && !fastify.hasDecorator('wsHub')) {
      throw new WSA_AIRLOCK_ERR_MISSING_PART('presence: register @fastify-airlock/hub first, or leave out hub: false')
    }
    if (name === 'jwt') requireSecret(options as Partial<FastifyJWTOptions>)
    if (name === 'ticket') requireJwt(fastify, settings)
    await fastify.register(plugin, optionsOf(name, settings) as never)
    if (name === 'jwt') noteTrust(fastify, settings.jwt as FastifyJWTOptions)
  }
}

function optionsOf (name: Part['name'], settings: AirlockSettings): object {
  if (name === 'websocket') return websocketPluginOptions(settings.websocket as WebsocketPartOptions | undefined)
  if (name !== 'ticket') return settings[name] as object | undefined ?? {}
  const { prefix, logLevel, logSerializers, guard } = settings
  // Who may open a socket may ask for a ticket.
  const { allowedOrigins } = guard as GuardPluginOptions | undefined | false || {}
  const given = Object.entries({ prefix, logLevel, logSerializers, allowedOrigins }).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(given), ...settings.ticket }
}

/** The guard and the handshake ask `trusted` as well, as a route does. */
function noteTrust ({ jwt }: FastifyInstance, { trusted, namespace }: FastifyJWTOptions): void {
  if (trusted !== undefined) noteTrusted(namespace === undefined ? jwt : (jwt as unknown as Record<string, object>)[namespace] as object)
}

function websocketPluginOptions ({ options, preClose, ...input }: WebsocketPartOptions = {}): WebsocketPluginOptions {
  // Changed in place: a copy would lose the accessors that save memory for each connection.
  const result = websocketOptions(input)
  Object.assign(result.options as object, options)
  if (preClose !== undefined) result.preClose = preClose
  return result
}

/** `@fastify/jwt` says "missing secret", and not whose. */
function requireSecret ({ secret }: Partial<FastifyJWTOptions>): void {
  if (!secret) throw new WSA_AIRLOCK_ERR_OPTION(`jwt.secret: it is ${secret === '' ? 'empty' : 'missing'}. Is the variable of the environment set that it comes from?`)
}

function requireJwt (fastify: FastifyInstance, { ticket }: AirlockSettings): void {
  const { route } = ticket as WsTicketsOptions | undefined ?? {}
  if (route === false || route?.authenticate !== undefined) return
  if (fastify.hasDecorator('jwt') || fastify.hasRequestDecorator('jwtVerify')) return
  throw new WSA_AIRLOCK_ERR_MISSING_PART(
    'ticket: give jwt: { secret }, register @fastify/jwt first, give ticket.route.authenticate, or set ticket.route or ticket to false'
  )
}
