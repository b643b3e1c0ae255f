import { callback, instanceWith, milliseconds, nonEmptyString, positiveInteger, tokenCacheOptions } from '@fastify-airlock/core'
import type { onRequestAsyncHookHandler, onRequestHookHandler } from 'fastify'
import * as v from 'valibot'
import type { RouteJwtOptions } from './jwt-hook.js'
import { STORE_TIMEOUT, type TicketStore } from './store.js'
import { MemoryStore } from './stores/memory.js'
import { ttl } from './tickets.js'
import type { TicketRouteOptions } from './types.js'

const hook = callback<onRequestHookHandler | onRequestAsyncHookHandler>()

const routeOptions = v.strictObject({
  path: v.optional(v.pipe(nonEmptyString, v.startsWith('/')), '/ws/ticket'),
  authenticate: v.optional(v.union([hook, v.pipe(v.array(hook), v.nonEmpty())])),
  jwt: v.optional(v.strictObject({
    trusted: v.optional(callback<NonNullable<RouteJwtOptions['trusted']>>()),
    formatUser: v.optional(callback<NonNullable<RouteJwtOptions['formatUser']>>()),
    cache: v.optional(tokenCacheOptions)
  })),
  subject: v.optional(callback<NonNullable<TicketRouteOptions['subject']>>()),
  claims: v.optional(callback<NonNullable<TicketRouteOptions['claims']>>()),
  audiences: v.optional(v.pipe(v.array(nonEmptyString), v.nonEmpty())),
  rateLimit: v.optional(v.lazy(value => value === false ? v.literal(false) : rateLimit)),
  security: v.optional(v.array(v.record(v.string(), v.array(v.string()))))
})

/** The valibot schema of the route's rate limit. */
export const rateLimit = v.strictObject({
  max: v.optional(positiveInteger, 60),
  timeWindow: v.optional(milliseconds, 60_000)
})

/** The valibot schema of the plugin's options. */
export const ticketOptions = v.strictObject({
  store: v.optional(instanceWith<TicketStore>('put', 'take', 'revoke', 'close'), () => new MemoryStore()),
  audience: v.optional(nonEmptyString, 'websocket'),
  ttl: v.optional(ttl, 30_000),
  reuse: v.optional(v.boolean(), false),
  bindOrigin: v.optional(v.boolean(), false),
  bindAddress: v.optional(v.boolean(), false),
  storeTimeout: v.optional(milliseconds, STORE_TIMEOUT),
  now: v.optional(callback<() => number>(), () => Date.now),
  route: v.optional(v.lazy(value => value === false ? v.literal(false) : routeOptions), {}),
  prefix: v.optional(v.string(), '')
})

/** The plugin's options with defaults filled in. */
export type ParsedOptions = v.InferOutput<typeof ticketOptions>

/** The route's options with defaults filled in. */
export type ParsedRoute = v.InferOutput<typeof routeOptions>
