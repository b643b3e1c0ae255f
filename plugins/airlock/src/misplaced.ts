import { nearestName } from '@fastify-airlock/core'
import type { GuardPluginOptions } from '@fastify-airlock/guard'
import type { WsHandshakeOptions } from '@fastify-airlock/handshake'
import type { WsHeartbeatOptions } from '@fastify-airlock/heartbeat'
import type { WsHubOptions } from '@fastify-airlock/hub'
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
    'closeTimeout', 'flushTimeout', 'maxBufferedBytes', 'slowConsumer', 'maxConnections', 'maxConnectionsPerSubject', 'onSubjectLimit', 'messageRate', 'onRate',
    'maxTopicsPerConnection', 'authorizeTopic', 'authorizeTimeout', 'topicLease', 'onTopicLeft', 'bus', 'busPrefix', 'busBeat', 'orderLife', 'maxOrders',
    'drain', 'sessionClaim', 'ignoreWarnings'
  ] satisfies Array<keyof WsHubOptions>,
  heartbeat: ['interval', 'timeout', 'auto'] satisfies Array<keyof WsHeartbeatOptions>
}

/**
 * What to say of an option that belongs to a part and was given beside the parts.
 *
 * @param own names of options that do stand beside the parts
 * @returns `undefined` for a name that no part has, nor a similar one, and for one that is similar to one of `own`
 */
export function whereItBelongs (name: string, own: readonly string[]): string | undefined {
  const names: string[] = Object.values(OPTIONS).flat()
  const nearest = names.includes(name) ? name : nearestName(name, own) === undefined ? nearestName(name, names) : undefined
  if (nearest === undefined) return undefined
  const places = Object.entries(OPTIONS).filter(([, options]: [string, string[]]) => options.includes(nearest)).map(([part]) => `${part}: { ${nearest} }`)
  return `${name}: give it to its part, ${places.join(' or ')}`
}
