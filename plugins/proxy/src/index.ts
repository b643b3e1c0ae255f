// For `declare module '@fastify-airlock/proxy'`: package managers that do not hoist hide core from the application.
export type * from '@fastify-airlock/core/identity'
export { wsProxy, wsProxy as default } from './plugin.js'
export * from './errors.js'
export type { ProxyCloseEvent, ProxyOpenEvent, ProxyRefuseEvent } from './events.js'
export type { ProxyOptions, ProxyPluginOptions, UpstreamHeaders, UpstreamTls } from './options.js'
export type * from './types.js'
