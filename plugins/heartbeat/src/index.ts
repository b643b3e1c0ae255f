export { wsHeartbeat, wsHeartbeat as default } from './plugin.js'
export * from './errors.js'
export type { WsHeartbeatOptions } from './options.js'
export type * from './types.js'
