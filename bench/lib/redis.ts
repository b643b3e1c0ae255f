import { findRedis, isSkip } from '@fastify-airlock/test-servers'

/** A Redis that is started at the first call, and how to end it. */
export function lazyRedis (): { redis (): Promise<{ url: string } | { skip: string }>, stop (): Promise<void> } {
  let found: ReturnType<typeof findRedis> | undefined
  return {
    redis: async () => await (found ??= findRedis()),
    async stop () {
      const redis = await found
      if (redis !== undefined && !isSkip(redis)) await redis.stop()
    }
  }
}
