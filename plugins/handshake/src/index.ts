export * from './errors.js'
export { wsHandshake, wsHandshake as default } from './plugin.js'
export type { AuthenticatedRequest, WsHandler, WsHandshake, WsHandshakeOptions } from './types.js'
