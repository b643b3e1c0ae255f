import { connectPresence } from '@fastify-airlock/client/presence'
import { createElement, type ReactElement } from 'react'
import type { AirlockProviderProps } from '../options.js'
import { AirlockProvider } from '../provider.js'

/**
 * `AirlockProvider` whose connection knows who is there: {@link usePresence} and `useAirlock` of its descendants share it. With
 * `connect: connectTopics` it has topics as well.
 */
export function PresenceProvider<In = unknown, Out = unknown> ({ connect, ...props }: AirlockProviderProps<In, Out>): ReactElement {
  return createElement(AirlockProvider<In, Out>, { ...props, connect: options => connectPresence({ ...options, connect }) })
}
