import { createHash } from 'node:crypto'

/** A Lua script that Redis runs as one step. */
export interface Script {
  /** Its name once Redis has seen it. */
  sha: string
  lua: string
}

/**
 * Keeps a ticket unless its hash is there already.
 *
 * The index of the subject uses the clock of Redis, which also expires the tickets. So no ticket leaves the index before
 * it is gone, even if the clocks of the servers differ. A ticket keeps the name of its index, because only Redis knows
 * the whole name when the connection adds a prefix of its own.
 *
 * Keys: ticket, index. Arguments: life in milliseconds, audience, end in milliseconds, 1 or 0 for reusable, record.
 */
export const PUT = script(`
local ticket, index = KEYS[1], KEYS[2]
local ttl, audience, expiresAt, reuse, record = unpack(ARGV)
local value = cmsgpack.pack({ audience, expiresAt, reuse, index, record })
if not redis.call('SET', ticket, value, 'NX', 'PX', ttl) then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', index, '-inf', now - 1)
redis.call('ZADD', index, now + ttl, ticket)
if redis.call('PTTL', index) < tonumber(ttl) then redis.call('PEXPIRE', index, ttl) end
return 1
`)

/**
 * Returns the record of a ticket that is valid for an audience at a time, and removes it unless it is reusable.
 *
 * Key: ticket. Arguments: audience, now in milliseconds.
 */
export const TAKE = script(`
local value = redis.call('GET', KEYS[1])
if not value then return nil end
local audience, expiresAt, reuse, index, record = unpack(cmsgpack.unpack(value))
if audience ~= ARGV[1] or tonumber(ARGV[2]) >= tonumber(expiresAt) then return nil end
if reuse == '0' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', index, KEYS[1])
end
return record
`)

/**
 * Removes the tickets of a subject and counts them. Tickets that are gone already do not count.
 *
 * Key: index.
 */
export const REVOKE = script(`
local count = 0
for _, ticket in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  count = count + redis.call('DEL', ticket)
end
redis.call('DEL', KEYS[1])
return count
`)

function script (lua: string): Script {
  return { sha: createHash('sha1').update(lua).digest('hex'), lua }
}
