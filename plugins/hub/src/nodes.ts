import { SetUp } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import cluster from 'node:cluster'
import type { HubSettings } from './options.js'

/** The code of the warning about a hub that reaches only a part of the connections. */
export const NO_BUS = 'WSA_HUB_WARN_NO_BUS'

/** Warns at the start if the hub has no bus although it can be seen that there are other nodes. */
export function checkNodes (fastify: FastifyInstance, { bus, ignoreWarnings }: HubSettings): void {
  const setUp = SetUp.of(fastify)
  setUp.ignore(ignoreWarnings)
  setUp.check(() => {
    if (bus === undefined && cluster.isWorker) setUp.warn(NO_BUS, 'The hub has no bus, and this process is a worker of a cluster: what it publishes and whom it disconnects does not reach the other workers. Give wsHub a bus')
  })
}
