import { milliseconds, optionsObject, positiveInteger } from '@fastify-airlock/core'
import * as v from 'valibot'

/** When to stop asking an authority that fails. The names are those of `opossum`. */
export interface CircuitBreakerOptions {
  /**
   * Percentage of failed questions at which no more are asked.
   * @default 50
   */
  errorThresholdPercentage?: number
  /**
   * Number of questions within ten seconds below which asking never stops.
   * @default 10
   */
  volumeThreshold?: number
  /**
   * Time after which one question is tried again, in milliseconds.
   * @default 5000
   */
  resetTimeout?: number
}

const circuitBreakerOptions = optionsObject({
  errorThresholdPercentage: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(100)), 50),
  volumeThreshold: v.optional(positiveInteger, 10),
  resetTimeout: v.optional(milliseconds, 5_000)
})

/** The schema of the option: `true` for the defaults, and `null` for none when parsed. */
export const circuitBreakerOption = v.union([
  v.pipe(v.literal(false), v.transform(() => null)),
  v.pipe(v.literal(true), v.transform(() => v.parse(circuitBreakerOptions, {}))),
  circuitBreakerOptions
])

/** {@link CircuitBreakerOptions} with the defaults filled in. */
export type CircuitBreakerSettings = v.InferOutput<typeof circuitBreakerOptions>
