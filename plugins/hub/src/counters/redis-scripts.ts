import { redisScript } from '@fastify-airlock/core'

/**
 * Makes a holder known. Keys: its life, and that of a holder before it, if there is one. Argument: its life in milliseconds.
 */
export const BEGIN = redisScript(`
if KEYS[2] then redis.call('DEL', KEYS[2]) end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return 1
`)

/** Prolongs the life of a holder. Key: its life. Argument: its life in milliseconds. */
export const RENEW = redisScript(`
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
`)

/**
 * Takes a place. A place is a member of the sorted set of its user: the holder, a space and the connection, with the time at
 * which it was taken, on the clock of Redis. Places of holders that do not live are removed.
 *
 * The lives of other holders have no key of their own among the keys, since only the set tells who they are: their names are
 * made of that of the life of this holder, which has the prefix of the connection.
 *
 * Keys: the places of the user, the life of the holder. Arguments: holder, connection, limit, 1 for replacing the oldest or 0,
 * and how long places are kept in milliseconds.
 */
export const TAKE = redisScript(`
local holder, id, limit, replace, kept = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
if redis.call('EXISTS', KEYS[2]) == 0 then return { 'unknown' } end
local lives = string.sub(KEYS[2], 1, #KEYS[2] - #holder)
local own = holder .. ' ' .. id
local alive, places = {}, {}
for _, place in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local other = string.match(place, '^(%S+) ')
  if alive[other] == nil then alive[other] = redis.call('EXISTS', lives .. other) == 1 end
  if not alive[other] then redis.call('ZREM', KEYS[1], place)
  elseif place == own then return { 'taken' }
  else places[#places + 1] = place end
end
if #places >= limit and not replace then return { 'refused' } end
local answer = { 'taken' }
for index = 1, #places - limit + 1 do
  redis.call('ZREM', KEYS[1], places[index])
  answer[#answer + 1] = string.match(places[index], ' (%S+)$')
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), own)
redis.call('PEXPIRE', KEYS[1], kept)
return answer
`)

/**
 * Gives connections places. Keys: the places of the user of each. Arguments: holder, how long places are kept in milliseconds,
 * and for each connection its id and its age in milliseconds.
 */
export const KEEP = redisScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for index, places in ipairs(KEYS) do
  redis.call('ZADD', places, now - tonumber(ARGV[2 * index + 2]), ARGV[1] .. ' ' .. ARGV[2 * index + 1])
  redis.call('PEXPIRE', places, ARGV[2])
end
return 1
`)

/** Gives a place back. Key: the places of the user. Argument: the place. */
export const RELEASE = redisScript(`
return redis.call('ZREM', KEYS[1], ARGV[1])
`)

/** Gives all places of a holder back. Key: its life. */
export const END = redisScript(`
return redis.call('DEL', KEYS[1])
`)
