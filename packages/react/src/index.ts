'use client'

export { AirlockProvider, createAirlock, useAirlock, type Airlock } from './provider.js'
export { useAirlockSocket } from './use-airlock-socket.js'
export { useWebSocketLite } from './use-websocket-lite.js'
export type {
  AirlockProviderProps, AirlockSocketOptions, InitPayload, SocketHandlers, WebSocketLiteOptions
} from './options.js'
export type { AirlockSocket, SocketStatus, WebSocketLite, WebSocketLiteData } from './types.js'
export type {
  AirlockError, AttemptContext, CloseInfo, Codec, Connection, ErrorCode, Events, SendOptions, TicketSource, TokenContext
} from '@fastify-airlock/client'
