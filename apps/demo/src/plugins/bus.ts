import type { HubBus } from '@fastify-airlock/hub'
import fp from 'fastify-plugin'
import { type BusRow, busOf } from '../buses.js'
import type { DemoOptions } from '../config.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** What connects the nodes; `null` on a node that stands alone. */
    bus: HubBus | null
  }
}

/** The bus. Registered before everything that uses it, it closes after them. */
export const bus = fp<DemoOptions>(async (fastify, { config: { busUrl } }) => {
  // The configuration accepts no URL without a row.
  fastify.decorate('bus', busUrl === undefined ? null : (busOf(busUrl) as BusRow).connect(busUrl, fastify))
}, { name: 'demo-bus' })
