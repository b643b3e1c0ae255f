import type { HubBus } from '@fastify-airlock/hub'
import fp from 'fastify-plugin'
import type { DemoOptions } from '../app.js'
import { connectBus } from '../bus.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** What connects the nodes; `null` on one that stands alone. */
    bus: HubBus | null
  }
}

/** The bus. Registered before whoever uses it, it closes after them. */
export const bus = fp<DemoOptions>(async (fastify, { config }) => {
  if (config.busUrl === undefined) {
    fastify.decorate('bus', null)
    return
  }
  const { emitter, close } = connectBus(config.busUrl, fastify.log)
  fastify.decorate('bus', emitter)
  fastify.addHook('onClose', close)
}, { name: 'demo-bus' })
