import type { Redis } from 'ioredis'
import type { Collection } from 'mongodb'
import type { Pool } from 'pg'
import type { TicketRecord } from '../../src/index.js'

/** What an earlier version does with a database: nodes of that version may still run beside those of this one. */
export interface OldNode {
  put (hash: string, record: TicketRecord): Promise<unknown>
  /** Resolves to the JSON of the claims. */
  take (hash: string, audience: string): Promise<string | null>
  revoke (subject: string): Promise<number>
}

const PUT = `
local ticket, index = KEYS[1], KEYS[2]
local ttl, audience, expiresAt, reuse, record = unpack(ARGV)
local value = cmsgpack.pack({ audience, expiresAt, reuse, index, record })
if not redis.call('SET', ticket, value, 'NX', 'PX', ttl) then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', index, now + ttl, ticket)
if redis.call('PTTL', index) < tonumber(ttl) then redis.call('PEXPIRE', index, ttl) end
return 1
`

const TAKE = `
local value = redis.call('GET', KEYS[1])
if not value then return nil end
local audience, expiresAt, reuse, index, record = unpack(cmsgpack.unpack(value))
if audience ~= ARGV[1] or tonumber(ARGV[2]) >= tonumber(expiresAt) then return nil end
if reuse == '0' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', index, KEYS[1])
end
return record
`

const REVOKE = `
local count = 0
for _, ticket in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  count = count + redis.call('DEL', ticket)
end
redis.call('DEL', KEYS[1])
return count
`

/** @param prefix of all keys */
export function oldRedis (redis: Redis, prefix: string): OldNode {
  return {
    put: (hash, record) => redis.eval(
      PUT, 2, prefix + hash, `${prefix}of:${record.subject}`, '30000', record.audience, String(record.expiresAt), record.reuse ? '1' : '0', JSON.stringify(record)
    ),
    take: async (hash, audience) => {
      const record = await redis.eval(TAKE, 1, prefix + hash, audience, String(Date.now())) as string | null
      return record === null ? null : JSON.parse(record).claims
    },
    revoke: async subject => await redis.eval(REVOKE, 1, `${prefix}of:${subject}`) as number
  }
}

/** Makes the table as well, if it is missing. */
export function oldPostgres (pool: Pool, table: string): OldNode & { create (): Promise<unknown> } {
  const record = 'subject, audience, claims, expires_at, reuse, origin, ip'
  const live = 'hash = $1 AND audience = $2 AND expires_at > $3'
  return {
    create: () => pool.query(`
CREATE TABLE ${table} (
  hash text COLLATE "C" PRIMARY KEY, subject text COLLATE "C" NOT NULL, audience text COLLATE "C" NOT NULL, claims text NOT NULL,
  expires_at double precision NOT NULL, reuse boolean NOT NULL, origin text, ip text
);
CREATE INDEX ON ${table} USING hash (subject);
CREATE INDEX ON ${table} (expires_at);`),
    put: (hash, { subject, audience, claims, expiresAt, reuse, origin, ip }) => pool.query(
      `INSERT INTO ${table} (hash, ${record}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, [hash, subject, audience, claims, expiresAt, reuse, origin, ip]
    ),
    take: async (hash, audience) => {
      const { rows: [found] } = await pool.query(`WITH taken AS (DELETE FROM ${table} WHERE ${live} AND NOT reuse RETURNING ${record})
SELECT ${record} FROM taken UNION ALL SELECT ${record} FROM ${table} WHERE ${live} AND reuse`, [hash, audience, Date.now()])
      return found?.claims ?? null
    },
    revoke: async subject => (await pool.query(`DELETE FROM ${table} WHERE subject = $1`, [subject])).rowCount as number
  }
}

/** @param tickets the collection */
export function oldMongo (tickets: Collection<any>): OldNode {
  return {
    put: (hash, { subject, audience, claims, expiresAt, reuse, origin, ip }) =>
      tickets.insertOne({ _id: hash, subject, audience, claims, expiresAt: new Date(expiresAt), reuse, origin, ip }),
    take: async (hash, audience) =>
      (await tickets.findOneAndDelete({ _id: hash, audience, expiresAt: { $gt: new Date() }, reuse: false }))?.claims ?? null,
    revoke: async subject => (await tickets.deleteMany({ subject })).deletedCount
  }
}
