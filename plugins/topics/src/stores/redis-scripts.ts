import { redisScript } from '@fastify-airlock/core'

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function keep (key, life)
  if redis.call('PTTL', key) < tonumber(life) then redis.call('PEXPIRE', key, life) end
end
`

/**
 * Appends a publication to the log of a topic, unless its id is known. The clock is that of Redis, so that nodes need not agree.
 *
 * Keys: head, log, and with an id the id. Arguments: epoch of a log that begins, data, size, life of the publication, life of the
 * head, and with an id its digest and its window. Returns what has become of the id (0 new, 1 repeated, 2 another), epoch, offset.
 */
export const APPEND = redisScript(`${NOW}
local head, log, id = KEYS[1], KEYS[2], KEYS[3]
local epoch, data, size, ttl, life, digest, window = unpack(ARGV)
if id then
  local known = redis.call('HMGET', id, 'd', 'e', 'o')
  if known[1] then return { known[1] == digest and 1 or 2, known[2], known[3] } end
end
local begun = redis.call('HMGET', head, 'e', 'o')
if begun[1] then epoch = begun[1] else redis.call('DEL', log) end
local offset = string.format('%.0f', (begun[2] or 0) + 1)
-- First what may fail, as where the key is another's: nothing is counted then.
redis.call('XADD', log, 'MAXLEN', '=', size, offset .. '-0', 'd', data, 'x', string.format('%.0f', now + ttl))
redis.call('HSET', head, 'e', epoch, 'o', offset)
-- Each publication brings one more than it takes away.
for _, entry in ipairs(redis.call('XRANGE', log, '-', '+', 'COUNT', 2)) do
  if tonumber(entry[2][4]) > now then break end
  redis.call('XDEL', log, entry[1])
end
keep(log, ttl)
keep(head, life)
if id then
  redis.call('HSET', id, 'd', digest, 'e', epoch, 'o', offset)
  redis.call('PEXPIRE', id, window)
end
return { 0, epoch, offset }
`)

/**
 * Remembers an id.
 *
 * Key: id. Arguments: digest, window. Returns what has become of it.
 */
export const CLAIM = redisScript(`
local known = redis.call('HGET', KEYS[1], 'd')
if known then return known == ARGV[1] and 1 or 2 end
redis.call('HSET', KEYS[1], 'd', ARGV[1], 'e', '-', 'o', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
`)

/**
 * Returns the position of a topic, and begins its log if there is none.
 *
 * Keys: head, log. Arguments: epoch of a log that begins, life of the head. Returns epoch, offset.
 */
export const OPEN = redisScript(`${NOW}
if redis.call('HSETNX', KEYS[1], 'e', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'o', 0)
  redis.call('DEL', KEYS[2])
end
keep(KEYS[1], ARGV[2])
return redis.call('HMGET', KEYS[1], 'e', 'o')
`)

/**
 * Reads what comes after a position: beyond the last that is over, since there is a gap.
 *
 * Keys: head, log. Arguments: epoch, offset after which to begin, most to return. Returns epoch and offset of the topic, then
 * offset and data of each; nothing where there is no head.
 */
export const READ = redisScript(`${NOW}
local head = redis.call('HMGET', KEYS[1], 'e', 'o')
if not head[1] then return {} end
local limit = tonumber(ARGV[3])
local result = { head[1], head[2] }
local from = '-'
if head[1] == ARGV[1] then from = string.format('%.0f', ARGV[2] + 1) .. '-0' end
while limit > 0 do
  local entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', limit)
  for _, entry in ipairs(entries) do
    if tonumber(entry[2][4]) <= now then
      result = { head[1], head[2] }
    else
      table.insert(result, (string.gsub(entry[1], '-0$', '')))
      table.insert(result, entry[2][2])
    end
  end
  if #entries < limit or #result > 2 then break end
  from = string.format('%.0f', tonumber((string.gsub(entries[#entries][1], '-0$', ''))) + 1) .. '-0'
end
return result
`)
