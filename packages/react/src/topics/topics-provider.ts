import { connectTopics } from '@fastify-airlock/client/topics'
import { createElement, type ReactElement } from 'react'
import type { AirlockProviderProps } from '../options.js'
import { AirlockProvider } from '../provider.js'

/** `AirlockProvider` whose connection has topics: {@link useTopic} and `useAirlock` of its descendants share it. */
export function TopicsProvider<In = unknown, Out = unknown> (props: AirlockProviderProps<In, Out>): ReactElement {
  return createElement(AirlockProvider<In, Out>, { connect: connectTopics<In, Out>, ...props })
}
