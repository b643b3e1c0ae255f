import { nearestName, type RunningServerLimits, type WebsocketOptionsInput } from '@fastify-airlock/core'
import type { GuardPluginOptions, RedactLogsOptions } from '@fastify-airlock/guard'
import type { WsHandshakeOptions } from '@fastify-airlock/handshake'
import type { WsHeartbeatOptions } from '@fastify-airlock/heartbeat'
import type { WsHubOptions } from '@fastify-airlock/hub'
import type { WsPresenceOptions } from '@fastify-airlock/presence'
import type { WsTicketsOptions } from '@fastify-airlock/ticket'
import type { FastifyJWTOptions } from '@fastify/jwt'

/** The options of the parts, for those who give one beside the parts. A test compares them with what the parts know. */
export const OPTIONS = {
  guard: [
    'authenticate', 'allowedOrigins', 'missingOrigin', 'protocols', 'refusalHooks', 'refusalErrors', 'unsafe', 'closeExpired', 'alive', 'hub',
    'upgradeTimeout', 'pendingPerAddress', 'pendingTotal', 'connectionsPerAddress', 'connectRate', 'refuseBeforeRouting', 'maxSocketBytes',
    'stallTimeout', 'sessionClaim', 'ignoreWarnings'
  ] satisfies Array<keyof GuardPluginOptions>,
  jwt: [
    'secret', 'decode', 'sign', 'verify', 'cookie', 'messages', 'trusted', 'formatUser', 'jwtDecode', 'namespace', 'jwtVerify', 'jwtSign', 'decoratorName'
  ] satisfies Array<keyof FastifyJWTOptions>,
  ticket: [
    'store', 'audience', 'ttl', 'reuse', 'allowedOrigins', 'bindOrigin', 'bindAddress', 'storeTimeout', 'now', 'route', 'sessionClaim', 'ignoreWarnings'
  ] satisfies Array<keyof WsTicketsOptions>,
  handshake: [
    'jwt', 'alive', 'listenTimeout', 'authTimeout', 'maxAuthBytes', 'maxEarlyFrames', 'maxEarlyBytes', 'closeTimeout', 'flushTimeout', 'expiringAt', 'expiryGrace',
    'refreshInterval', 'pendingPerAddress', 'pendingTotal', 'isRevoked', 'authorize', 'authorizeMessage', 'scopeClaims', 'describeUser', 'hub',
    'sessionClaim', 'ignoreWarnings'
  ] satisfies Array<keyof WsHandshakeOptions>,
  hub: [
    'closeTimeout', 'flushTimeout', 'maxBufferedBytes', 'slowConsumer', 'maxConnections', 'maxConnectionsPerSubject', 'connectionCounter', 'onSubjectLimit', 'messageRate', 'onRate',
    'maxTopicsPerConnection', 'authorizeTopic', 'authorizeTimeout', 'topicLease', 'onTopicLeft', 'bus', 'busPrefix', 'busBeat', 'orderLife', 'maxOrders',
    'drain', 'sessionClaim', 'ignoreWarnings'
  ] satisfies Array<keyof WsHubOptions>,
  presence: [
    'topics', 'everyone', 'authorizePresence', 'authorizeTimeout', 'grace', 'interval', 'maxTopics', 'maxSubjects', 'maxStateBytes', 'stateRate', 'watchRate',
    'syncInterval'
  ] satisfies Array<keyof WsPresenceOptions>,
  heartbeat: ['interval', 'timeout', 'auto'] satisfies Array<keyof WsHeartbeatOptions>
}

/** Of these, those that no route has: they are for the whole server. A test compares them with what the parts say. */
const OF_SERVER: Record<string, readonly string[]> = {
  guard: [
    'upgradeTimeout', 'pendingPerAddress', 'pendingTotal', 'connectionsPerAddress', 'connectRate', 'refuseBeforeRouting', 'maxSocketBytes',
    'stallTimeout', 'sessionClaim', 'ignoreWarnings'
  ],
  handshake: ['pendingTotal', 'ignoreWarnings'],
  hub: OPTIONS.hub
}

/** The members that are no plugin of Airlock, for the same. A test compares them with what they know. */
export const OTHERS = {
  server: ['requestTimeout', 'headersTimeout', 'connectionTimeout', 'keepAliveTimeout', 'maxConnections', 'shutdownTimeout'] satisfies Array<keyof RunningServerLimits>,
  websocket: ['maxPayload', 'closeTimeout', 'flushTimeout', 'shutdownTimeout', 'errorHandler', 'preClose', 'options'] satisfies Array<keyof WebsocketOptionsInput | 'preClose' | 'options'>,
  redaction: ['parameters', 'notFoundHandler'] satisfies Array<keyof RedactLogsOptions>
}

const PLACES: Record<string, readonly string[]> = { ...OTHERS, ...OPTIONS }

/** Options of a route's `hub`. */
const OF_HUB = ['topics', 'patterns']

/**
 * What to say of an option that belongs to a part and was given beside the options of a route.
 *
 * @returns `undefined` for a name that no part has
 */
export function whereItBelongsInRoute (name: string): string | undefined {
  // `hub` is one of a route as well, and short names may be those of another plugin.
  if (['hub', 'bus', 'drain'].includes(name)) return undefined
  if (OF_HUB.includes(name)) return `${name} is an option of hub: give hub: { ${name} }`
  const all = Object.keys(OF_SERVER).filter(part => OPTIONS[part as keyof typeof OPTIONS].includes(name as never))
  const [part] = all.filter(part => OF_SERVER[part]?.includes(name) !== true)
  if (part !== undefined) return `${name} is an option of ${part}: give ${part}: { ${name} }`
  return all[0] === undefined ? undefined : forServer(name, all[0])
}

/**
 * What to say of an option of a part that was given in a route, in the object of that part.
 *
 * @returns `undefined` for one that routes have, and for a name that the part does not have
 */
export function forServerInRoute (name: string, part: string): string | undefined {
  return OF_SERVER[part]?.includes(name) === true ? forServer(name, part) : undefined
}

function forServer (name: string, part: string): string {
  return `${name} is an option of ${part} for the whole server: give ${part}: { ${name} } where you register it`
}

/**
 * What to say of an option that belongs to a part and was given beside the parts.
 *
 * @param own names of options that do stand beside the parts
 * @returns `undefined` for a name that no part has, nor a similar one, and for one that is similar to one of `own`
 */
export function whereItBelongs (name: string, own: readonly string[]): string | undefined {
  const names = Object.values(PLACES).flat()
  const nearest = names.includes(name) ? name : nearestName(name, own) === undefined ? nearestName(name, names) : undefined
  if (nearest === undefined) return undefined
  const places = Object.entries(PLACES).filter(([, options]) => options.includes(nearest)).map(([part]) => `${part}: { ${nearest} }`)
  return `${name}: give it to its part, ${places.join(' or ')}`
}
