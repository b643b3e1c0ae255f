'use client'

export { PresenceProvider } from './presence-provider.js'
export { usePresence, usePresenceOf } from './use-presence.js'
export type { WhoIsThere } from './types.js'
export type { PresenceConnection, PresenceUser, PresenceView } from '@fastify-airlock/client/presence'
