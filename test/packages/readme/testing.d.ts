import type assertStrict from 'node:assert/strict'
import type { FastifyInstance } from 'fastify'

declare global {
  const assert: typeof assertStrict
  const build: (options?: object) => Promise<FastifyInstance>
  const testServer: typeof import('@fastify-airlock/testing').testServer
}
