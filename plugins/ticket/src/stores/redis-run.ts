import type { Script } from './redis-scripts.js'

/** The part of an ioredis connection (version 5 or 6) that {@link RedisStore} uses. */
export interface RedisClient {
  /** `ready` when commands can be sent; `wait` before the first command of a lazy connection. */
  readonly status: string
  /** Whether it is a connection to Redis Cluster. */
  readonly isCluster: boolean
  evalsha (sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  eval (lua: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  info (section: string): Promise<string>
}

/**
 * Runs a script. While there is no connection it fails at once: ioredis would send it later, for callers that have given up.
 *
 * @param timeout time after which it is not sent again, in milliseconds
 */
export async function runScript (
  redis: Pick<RedisClient, 'status' | 'evalsha' | 'eval'>, { sha, lua }: Script, keys: string[], given: string[], timeout: number
): Promise<unknown> {
  const { status } = redis
  if (status !== 'ready' && status !== 'wait') throw new Error(`The connection to Redis is not ready: ${status}`)
  const begin = performance.now()
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...given)
  } catch (error) {
    // Redis has not seen the script since it was started. After a pause this answer comes late.
    const unknown = (error as Error).message.startsWith('NOSCRIPT')
    if (!unknown || performance.now() - begin >= timeout) throw error
    return await redis.eval(lua, keys.length, ...keys, ...given)
  }
}
