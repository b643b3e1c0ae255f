import type { Redis } from 'ioredis'

/** Sets of words that all nodes see: who is in a room, and which logins there are. In an application, tables of your database. */
export interface Sets {
  has (key: string, word: string): Promise<boolean>
  all (key: string): Promise<string[]>
  add (key: string, word: string): Promise<void>
  /** Removes a word; without one, all of them. */
  remove (key: string, word?: string): Promise<void>
}

/** Of one node, until it ends. */
export class MemorySets implements Sets {
  readonly #sets = new Map<string, Set<string>>()

  async has (key: string, word: string): Promise<boolean> {
    return this.#sets.get(key)?.has(word) ?? false
  }

  async all (key: string): Promise<string[]> {
    return [...this.#sets.get(key) ?? []]
  }

  async add (key: string, word: string): Promise<void> {
    const set = this.#sets.get(key) ?? new Set()
    this.#sets.set(key, set.add(word))
  }

  async remove (key: string, word?: string): Promise<void> {
    if (word === undefined) this.#sets.delete(key)
    else this.#sets.get(key)?.delete(word)
  }
}

/** Of all nodes that have this Redis. */
export class RedisSets implements Sets {
  readonly #redis: Redis

  constructor (redis: Redis) {
    this.#redis = redis
  }

  async has (key: string, word: string): Promise<boolean> {
    return await this.#redis.sismember(`chat:${key}`, word) === 1
  }

  async all (key: string): Promise<string[]> {
    return await this.#redis.smembers(`chat:${key}`)
  }

  async add (key: string, word: string): Promise<void> {
    await this.#redis.sadd(`chat:${key}`, word)
  }

  async remove (key: string, word?: string): Promise<void> {
    await (word === undefined ? this.#redis.del(`chat:${key}`) : this.#redis.srem(`chat:${key}`, word))
  }
}
