'use client'

export { TopicsProvider } from './topics-provider.js'
export { useTopic, useTopicOf } from './use-topic.js'
export type { Topic, UseTopicOptions } from './types.js'
export type {
  LoadContext, Position, Published, PublishOptions, SubscribedEvent, Subscription, TopicMessage, TopicsConnection
} from '@fastify-airlock/client/topics'
