import { limitServer, type RunningServerLimits, withoutFastifyOptions } from '@fastify-airlock/core'
import { redactLogs } from '@fastify-airlock/guard'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { WSA_AIRLOCK_ERR_ALREADY_REGISTERED, WSA_AIRLOCK_ERR_MISSING_PART } from './errors.js'
import { type AirlockOptions, parseAirlockOptions } from './options.js'
import { registerParts } from './parts.js'
import { createWsRoute } from './route.js'

/** Servers that have the plugin already. */
const servers = new WeakSet<object>()

/**
 * Sets the limits of the server that are open, registers `@fastify/websocket`, guard, tickets, handshake, hub and heartbeat in the right order, keeps credentials out of
 * the log, and decorates the instance with `wsRoute`. Register it at the root, and await it.
 *
 * @throws {@link WSA_AIRLOCK_ERR_OPTION} when an option is unknown or of the wrong type, or `jwt` has no secret
 * @throws {@link WSA_AIRLOCK_ERR_ALREADY_REGISTERED} when it is registered twice, or a part that is there was given options
 * @throws {@link WSA_AIRLOCK_ERR_MISSING_PART} when a part needs one that is not there
 *
 * @example
 * await app.register(airlock, { jwt: { secret }, guard: { allowedOrigins: ['https://app.example.com'] } })
 * app.wsRoute('/ws', (socket, request) => { socket.send(`hello ${request.wsIdentity.subject}`) })
 */
export const airlock = fp<AirlockOptions>(async (fastify: FastifyInstance, options: AirlockOptions) => {
  const { prefix, logLevel, logSerializers } = options
  const settings = parseAirlockOptions({ ...withoutFastifyOptions(options, fastify), prefix, logLevel, logSerializers })
  if (servers.has(fastify.server)) {
    throw new WSA_AIRLOCK_ERR_ALREADY_REGISTERED('fastify-airlock: register it once, at the root; each route has options of its own')
  }
  servers.add(fastify.server)
  if (settings.redaction !== false) redactLogs(fastify, settings.redaction)
  if (settings.server !== false) limitServer(fastify, settings.server as RunningServerLimits)
  await registerParts(fastify, settings)
  fastify.decorate('wsRoute', createWsRoute(fastify))

  const { jwt } = settings
  if (jwt && jwt.cookie !== undefined) {
    fastify.addHook('onReady', async () => {
      if (!fastify.hasRequestDecorator('cookies')) throw new WSA_AIRLOCK_ERR_MISSING_PART('jwt.cookie: register @fastify/cookie at the root')
    })
  }
}, { name: 'fastify-airlock', fastify: '5.x' })
