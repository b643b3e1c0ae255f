export * from './errors.js'
export type { HandshakeOpenEvent, HandshakeRefuseEvent } from './events.js'
export { wsHandshake, wsHandshake as default } from './plugin.js'
export type { AuthenticatedRequest, WsHandler, WsHandshake, WsHandshakeOptions } from './types.js'
