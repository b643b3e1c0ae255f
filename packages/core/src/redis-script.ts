import { createHash } from 'node:crypto'

/** A Lua script that Redis runs as one step. */
export interface RedisScript {
  /** Its name once Redis has seen it. */
  readonly sha: string
  readonly lua: string
}

/** The part of an ioredis connection (version 5 or 6) that runs scripts. */
export interface RedisScriptClient {
  /** `ready` when commands can be sent; `wait` before the first command of a lazy connection. */
  readonly status: string
  evalsha (sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  eval (lua: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
}

/** Names a script as Redis does. */
export function redisScript (lua: string): RedisScript {
  return { sha: createHash('sha1').update(lua).digest('hex'), lua }
}

/**
 * Fails while there is no connection: ioredis would send a command later, for callers that have given up.
 *
 * @throws {Error} when no command can be sent now
 */
export function requireRedis ({ status }: Pick<RedisScriptClient, 'status'>): void {
  if (status !== 'ready' && status !== 'wait') throw new Error(`The connection to Redis is not ready: ${status}`)
}

/**
 * Runs a script, in one round trip once Redis knows it.
 *
 * @param timeout time after which it is not sent again, in milliseconds
 * @throws {Error} what Redis or ioredis says, and when no command can be sent now
 */
export async function runRedisScript (redis: RedisScriptClient, { sha, lua }: RedisScript, keys: string[], given: string[], timeout: number): Promise<unknown> {
  requireRedis(redis)
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

/** The hash of a text, for keys. Different texts have different ones: UTF-8 has no half of a surrogate pair, UTF-16 has. */
export function keyHash (text: string): string {
  return createHash('sha256').update(text, 'utf16le').digest('base64url')
}
