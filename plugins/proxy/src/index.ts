export { wsProxy, wsProxy as default } from './plugin.js'
export * from './errors.js'
export type { ProxyCloseEvent, ProxyOpenEvent, ProxyRefuseEvent } from './events.js'
export type * from './types.js'
