import { usePresenceOf, type WhoIsThere } from '@fastify-airlock/react/presence'
import { useMain } from '../connection/MainConnection.js'
import type { Shown } from './devices.js'

/** Who is connected at all, on every node, as the main connection knows it. Components share one watch on the wire. */
export function useHere (): WhoIsThere<Shown> {
  return usePresenceOf<Shown>(useMain().connection, '')
}
