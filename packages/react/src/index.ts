'use client'

export { AirlockProvider, createAirlock, useAirlock, type Airlock } from './provider.js'
export { useAirlockSocket } from './use-airlock-socket.js'
export {
  useWebSocketLite, type InitPayload, type WebSocketLite, type WebSocketLiteData, type WebSocketLiteOptions
} from './use-websocket-lite.js'
export type {
  AirlockProviderProps, AirlockSocket, AirlockSocketOptions, SocketHandlers, SocketStatus
} from './types.js'
export type {
  AirlockError, AttemptContext, CloseInfo, Codec, Connection, ErrorCode, Events, TicketSource, TokenContext
} from '@fastify-airlock/client'
