import { callback, nearestName, nonEmptyString, type OptionError, optionsObject, parseOptions, type WsIdentity } from '@fastify-airlock/core'
import type { GuardOptions } from '@fastify-airlock/guard'
import type { AuthenticatedRequest, WsHandler } from '@fastify-airlock/handshake'
import type { WebSocket, WebsocketHandler } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import { WSA_AIRLOCK_ERR_MISSING_PART, WSA_AIRLOCK_ERR_NO_DOOR, WSA_AIRLOCK_ERR_ROUTE } from './errors.js'
import { forServerInRoute, whereItBelongsInRoute } from './misplaced.js'
import type { RouteHubOptions, RouteTopics, WsRoute, WsRouteOptions } from './types.js'

/** Options of Fastify that this plugin sets itself. */
const RESERVED = ['handler', 'wsHandler', 'websocket', 'method', 'url']

const PARTS = ['guard', 'handshake', 'hub']

const list = v.optional(v.union([v.array(nonEmptyString), callback<(request: AuthenticatedRequest) => string[]>()]))

const hubOptions = optionsObject({ topics: list, patterns: list })

const partOptions = v.optional(v.custom<object | false>(
  value => value === false || (typeof value === 'object' && value !== null && !Array.isArray(value)),
  'Expected false, or an object with the options of the part'
))
const parts = v.object({ guard: partOptions, handshake: partOptions, hub: v.optional(v.union([v.literal(false), hubOptions])) })

/**
 * Looks for options of the parts in the wrong place or misspelled. Other plugins have options for routes as well, so an
 * unknown name is no mistake by itself.
 */
function checkOptions (path: string, options: object): void {
  for (const name of Object.keys(options)) {
    const place = whereItBelongsInRoute(name)
    if (place !== undefined) throw new WSA_AIRLOCK_ERR_ROUTE(path, place)
    const nearest = nearestName(name, PARTS)
    if (nearest !== undefined && nearest !== name) throw new WSA_AIRLOCK_ERR_ROUTE(path, `unknown option \`${name}\`; did you mean \`${nearest}\`?`)
  }
  for (const part of PARTS) {
    for (const name of Object.keys((options as Record<string, object | undefined>)[part] ?? {})) {
      const place = forServerInRoute(name, part)
      if (place !== undefined) throw new WSA_AIRLOCK_ERR_ROUTE(path, place)
    }
  }
  parseOptions(parts, options, WSA_AIRLOCK_ERR_ROUTE.bind(null, path) as unknown as OptionError)
}

const DECORATORS = { guard: 'wsGuard', handshake: 'wsHandshake', hub: 'wsHub' } as const

/**
 * Makes the decorator `wsRoute`.
 *
 * @param registered the instance that a route is added to where the decorator is called without one
 */
export function createWsRoute (registered: FastifyInstance): WsRoute {
  function wsRoute (this: FastifyInstance | undefined, path: string, ...given: unknown[]): FastifyInstance {
    const fastify = this ?? registered
    const handler = given.at(-1)
    const options = given.length > 1 ? given[0] : {}
    if (typeof handler !== 'function') throw new WSA_AIRLOCK_ERR_ROUTE(path, 'give the handler as the last argument')
    if (typeof options !== 'object' || options === null) throw new WSA_AIRLOCK_ERR_ROUTE(path, 'give the options as an object')
    const reserved = RESERVED.find(name => name in options)
    if (reserved !== undefined) throw new WSA_AIRLOCK_ERR_ROUTE(path, `leave out the option ${reserved}: wsRoute sets it`)
    checkOptions(path, options)
    const { guard, handshake, hub, preValidation = [], ...route } = options as WsRouteOptions
    const has = (part: keyof typeof DECORATORS, value: object | false | undefined): boolean => {
      if (value === false) return false
      const isThere = fastify.hasDecorator(DECORATORS[part])
      if (value !== undefined && !isThere) throw new WSA_AIRLOCK_ERR_MISSING_PART(`${part}: the route ${path} has options for it; do not leave it out`)
      return isThere
    }
    const hasGuard = has('guard', guard)
    const hasHandshake = has('handshake', handshake)
    if (!hasGuard && !hasHandshake) throw new WSA_AIRLOCK_ERR_NO_DOOR(path)

    const handle = joining(path, handler as WsHandler, has('hub', hub) ? hub || {} : {})
    return fastify.get(path, {
      ...route,
      websocket: true,
      // The guard comes first: it can refuse an upgrade before the router only if it does.
      preValidation: [...hasGuard ? [fastify.wsGuard({ ...hub === false && { hub }, ...guard as GuardOptions | undefined })] : [], ...[preValidation].flat()]
    }, hasHandshake
      ? fastify.wsHandshake(handle, { ...handshake, ...(hub === false && { hub: false }) })
      : admitting(handle, hub !== false))
  }
  return wsRoute as WsRoute
}

/** Does what the handshake does after `auth_ok`, for a route that has none. */
function admitting (handler: WsHandler, addsToHub: boolean): WebsocketHandler {
  return function (socket, request) {
    const { wsHub } = this as Partial<FastifyInstance>
    if (addsToHub) wsHub?.add(socket, request.wsIdentity as WsIdentity)
    // The hub may have had a reason to close it.
    if (socket.readyState !== socket.OPEN) return
    return handler.call(this, socket, request as AuthenticatedRequest) as void | Promise<unknown>
  }
}

function joining (path: string, handler: WsHandler, { topics, patterns }: RouteHubOptions): WsHandler {
  if (topics === undefined && patterns === undefined) return handler
  const namesOf = (option: 'topics' | 'patterns', given: RouteTopics = [], request: AuthenticatedRequest): string[] => {
    const names = typeof given === 'function' ? given(request) : given
    // The letters of a string are not meant, and a promise would be no list.
    if (!Array.isArray(names)) throw new WSA_AIRLOCK_ERR_ROUTE(path, `hub.${option}: the function has to return a list, and no promise of one`)
    return names
  }
  return function (socket, request) {
    for (const topic of namesOf('topics', topics, request)) this.wsHub.join(socket, topic)
    for (const pattern of namesOf('patterns', patterns, request)) this.wsHub.join(socket, pattern, { wildcard: true })
    return handler.call(this, socket as WebSocket, request)
  }
}
