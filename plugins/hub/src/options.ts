import { callback, instanceWith, milliseconds, positiveInteger } from '@fastify-airlock/core'
import { CLOSE_TIMEOUT_MS } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import type { HubBus, WsHubOptions } from './hub-options.js'

const limit = v.pipe(v.number(), v.check(
  value => value === Infinity || (Number.isSafeInteger(value) && value > 0), 'Expected a positive integer or Infinity'
))

const slowConsumer = callback<Extract<WsHubOptions['slowConsumer'], (...args: never[]) => unknown>>()

const messageRate = v.strictObject({
  perSecond: v.pipe(v.number(), v.finite(), v.minValue(Number.MIN_VALUE)),
  burst: positiveInteger
})

const drain = v.strictObject({
  batch: v.optional(positiveInteger, 1_000),
  interval: v.optional(milliseconds, 100),
  timeout: v.optional(milliseconds, 7_000),
  jitter: v.optional(milliseconds, 5_000)
})

/** The valibot schema of the plugin's options. */
export const hubOptions = v.strictObject({
  closeTimeout: v.optional(milliseconds, CLOSE_TIMEOUT_MS),
  maxBufferedBytes: v.optional(positiveInteger, 1024 * 1024),
  slowConsumer: v.optional(v.union(
    [v.picklist(['terminate', 'drop']), slowConsumer], 'Expected "terminate", "drop" or a function'
  ), 'terminate'),
  maxConnections: v.optional(limit, Infinity),
  maxConnectionsPerSubject: v.optional(limit, 10),
  onSubjectLimit: v.optional(v.picklist(['refuse', 'replace']), 'refuse'),
  messageRate: v.optional(v.lazy(value => value === false ? v.literal(false) : messageRate), { perSecond: 100, burst: 200 }),
  maxTopicsPerConnection: v.optional(limit, 100),
  authorizeTopic: v.optional(callback<NonNullable<WsHubOptions['authorizeTopic']>>(), () => () => false),
  bus: v.optional(instanceWith<HubBus>('on', 'emit', 'removeListener')),
  busPrefix: v.optional(v.pipe(v.string(), v.maxLength(64), v.regex(/^[\w.:-]+(?:\/[\w.:-]+)*$/)), 'airlock'),
  busBeat: v.optional(milliseconds, 5_000),
  drain: v.optional(drain, {})
})

/** The plugin's options with defaults filled in. */
export type ParsedOptions = v.InferOutput<typeof hubOptions>
