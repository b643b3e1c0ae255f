import { SetUp } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import cluster from 'node:cluster'
import type { TopicsSettings } from './options.js'

/** The code of the warning about publications that other nodes do not have. */
export const MEMORY_STORE = 'WSA_TOPICS_WARN_MEMORY_STORE'

/** Warns at the start if topics are kept by this process and it can be seen that it is one of several. */
export function checkNodes (fastify: FastifyInstance, { store, topics, ignoreWarnings }: TopicsSettings, hasBus: boolean): void {
  const setUp = SetUp.of(fastify)
  setUp.ignore(ignoreWarnings)
  if (store.local !== true || !Object.values(topics).some(({ history }) => history !== false)) return
  const sign = cluster.isWorker ? 'this process is a worker of a cluster' : hasBus ? 'the hub has a bus to other nodes' : null
  if (sign === null) return
  setUp.check(() => {
    setUp.warn(MEMORY_STORE, `Topics are kept in the memory of this process, and ${sign}: positions mean nothing there, and subscribers are told of gaps. Give wsTopics a store that all nodes share, such as new RedisTopicStore(redis)`)
  })
}
