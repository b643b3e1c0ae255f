import { redisScript } from '@fastify-airlock/core'

/**
 * Keeps a ticket unless its hash is there already.
 *
 * The indexes of the subject and of the session use the clock of Redis, which also expires the tickets. So no ticket leaves
 * an index before it is gone, even if the clocks of the servers differ. A ticket keeps the names of its indexes, because only
 * Redis knows the whole names when the connection adds a prefix of its own. What has come in a later version stands at the
 * end, where an earlier one does not look.
 *
 * Keys: ticket, index of the subject, and with a session its index. Arguments: life in milliseconds, audience, end in
 * milliseconds, 1 or 0 for reusable, record, and with a session the session.
 */
export const PUT = redisScript(`
local ticket, index, sessionIndex = KEYS[1], KEYS[2], KEYS[3]
local ttl, audience, expiresAt, reuse, record, session = unpack(ARGV)
local value = { audience, expiresAt, reuse, index, record }
if sessionIndex then
  value[6] = session
  value[7] = sessionIndex
end
if not redis.call('SET', ticket, cmsgpack.pack(value), 'NX', 'PX', ttl) then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for position = 2, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[position], '-inf', now - 1)
  redis.call('ZADD', KEYS[position], now + ttl, ticket)
  if redis.call('PTTL', KEYS[position]) < tonumber(ttl) then redis.call('PEXPIRE', KEYS[position], ttl) end
end
return 1
`)

/**
 * Returns the record of a ticket that is valid for an audience at a time, and removes it unless it is reusable.
 *
 * Key: ticket. Arguments: audience, now in milliseconds.
 */
export const TAKE = redisScript(`
local value = redis.call('GET', KEYS[1])
if not value then return nil end
local audience, expiresAt, reuse, index, record, session, sessionIndex = unpack(cmsgpack.unpack(value))
if audience ~= ARGV[1] or tonumber(ARGV[2]) >= tonumber(expiresAt) then return nil end
if reuse == '0' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', index, KEYS[1])
  if sessionIndex then redis.call('ZREM', sessionIndex, KEYS[1]) end
end
return record
`)

/**
 * Removes the tickets in an index and counts them: those of a subject, those of a session, or those of a subject that have
 * this session or none. Tickets that are gone already do not count.
 *
 * Key: index. Argument: the session, if that of the subject's tickets counts.
 */
export const REVOKE = redisScript(`
local count = 0
for _, ticket in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local value = redis.call('GET', ticket)
  local content = value and cmsgpack.unpack(value) or {}
  if not ARGV[1] or not content[6] or content[6] == ARGV[1] then
    count = count + redis.call('DEL', ticket)
    for _, index in ipairs({ KEYS[1], content[4] or KEYS[1], content[7] }) do redis.call('ZREM', index, ticket) end
  end
end
return count
`)

/**
 * Removes a ticket.
 *
 * Key: ticket.
 */
export const REMOVE = redisScript(`
local value = redis.call('GET', KEYS[1])
if not value then return 0 end
local content = cmsgpack.unpack(value)
redis.call('ZREM', content[4], KEYS[1])
if content[7] then redis.call('ZREM', content[7], KEYS[1]) end
return redis.call('DEL', KEYS[1])
`)

/**
 * Counts a request of a subject. A key without an end, which somebody else has made, gets one.
 *
 * Key: the count. Arguments: how many there may be, and the window in milliseconds. Returns how long the window lasts yet where
 * there are more, else 0.
 */
export const COUNT = redisScript(`
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
if count <= tonumber(ARGV[1]) then return 0 end
return math.max(left, 1)
`)
