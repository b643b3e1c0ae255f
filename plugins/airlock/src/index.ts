// An application that installs this package alone finds the parts, their stores and their errors here.
// The types of the identity come with the guard's alone: TypeScript merges into a module by one way only.
export * from '@fastify-airlock/guard'
export * from '@fastify-airlock/handshake'
export * from '@fastify-airlock/heartbeat'
export * from '@fastify-airlock/hub'
export * from '@fastify-airlock/ticket'
export * from './errors.js'
export type { AirlockOptions, WebsocketPartOptions } from './options.js'
export { airlock, airlock as default } from './plugin.js'
export type * from './types.js'
