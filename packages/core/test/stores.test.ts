import t from 'tap'
import { fromStored, keyHash, parseOptions, PostgresCalls, type PostgresClient, postgresCode, postgresName, quotePostgresName, redisScript, requireRedis, runRedisScript, toStored, WSA_CORE_ERR_OPTION } from '../src/index.js'
import { optionsObject } from '../src/options.js'

t.test('every text can be stored, and different texts stay different', async t => {
  const texts = ['alice', '', 'grüße 🌍', '\0', 'a\0', '\ud800', '\udfff', '\u0001', '\u0001"\\u0000"', '"\\u0000"']
  const stored = texts.map(toStored)
  t.same(stored.map(fromStored), texts)
  t.equal(new Set(stored).size, texts.length)
  t.equal(new Set(texts.map(keyHash)).size, texts.length)
  for (const text of stored) t.notMatch(text, /\0|\p{Surrogate}/u, JSON.stringify(text))
})

t.test('a script is sent whole where Redis does not know it, and only in time', async t => {
  const script = redisScript('return 1')
  const calls: string[] = []
  let problem: Error | null = null
  const redis = {
    status: 'ready',
    evalsha: async (sha: string, count: number, ...rest: string[]) => {
      calls.push(`sha ${sha === script.sha} ${count} ${rest}`)
      if (problem !== null) throw problem
      return 1
    },
    eval: async (lua: string, count: number, ...rest: string[]) => {
      calls.push(`lua ${lua === script.lua} ${count} ${rest}`)
      return 2
    }
  }
  const run = (timeout = 60_000) => runRedisScript(redis, script, ['key'], ['a', 'b'], timeout)
  t.equal(await run(), 1)
  problem = new Error('NOSCRIPT No matching script')
  t.equal(await run(), 2)
  t.same(calls, ['sha true 1 key,a,b', 'sha true 1 key,a,b', 'lua true 1 key,a,b'])
  await t.rejects(run(0), problem)
  problem = new Error('READONLY')
  await t.rejects(run(), problem)
  t.equal(calls.length, 5)
  for (const status of ['connecting', 'end', 'reconnecting']) await t.rejects(runRedisScript({ ...redis, status }, script, [], [], 1), { message: `The connection to Redis is not ready: ${status}` })
  t.equal(calls.length, 5)
  requireRedis({ status: 'wait' })
})

t.test('names in PostgreSQL', async t => {
  const schema = optionsObject({ name: postgresName(5) })
  for (const name of ['a', 'a"b', 'äö']) t.same(parseOptions(schema, { name }, WSA_CORE_ERR_OPTION), { name })
  for (const name of ['', 'abcdef', 'äöü', 'a\0', 7]) t.throws(() => parseOptions(schema, { name }, WSA_CORE_ERR_OPTION), { code: 'WSA_CORE_ERR_OPTION' })
  t.equal(quotePostgresName('a"b'), '"a""b"')
  t.equal(postgresCode(Object.assign(new Error('lost'), { code: '40001' })), '40001')
})

t.test('a statement has a time limit, and its connection goes back to the pool where PostgreSQL has answered', async t => {
  const released: unknown[] = []
  const listeners: string[] = []
  let outcome: () => unknown = () => ({ rows: [], rowCount: 0 })
  const client: PostgresClient = {
    query: async ({ text, values, query_timeout: limit }) => {
      t.same([text, values, limit > 0 && limit <= 60_000], ['SELECT $1', [1], true])
      return outcome() as never
    },
    on: event => { listeners.push(`on ${event}`) },
    off: event => { listeners.push(`off ${event}`) },
    release: error => { released.push(error) }
  }
  const pool = { connect: async () => client, on: (event: string, listener: (error: Error) => void) => { listener(new Error(event)) } }
  const calls = new PostgresCalls(pool, 60_000)
  t.same(await calls.send('SELECT $1', [1], calls.deadline()), { rows: [], rowCount: 0 })
  const wrong = Object.assign(new Error('wrong'), { severity: 'ERROR' })
  outcome = () => { throw wrong }
  await t.rejects(calls.send('SELECT $1', [1], calls.deadline()), wrong)
  const lost = Object.assign(new Error('lost'), { severity: 'FATAL' })
  outcome = () => { throw lost }
  await t.rejects(calls.send('SELECT $1', [1], calls.deadline()), lost)
  await t.rejects(calls.send('SELECT $1', [1], performance.now()), { message: 'No connection to PostgreSQL within 60000 ms' })
  t.same(released, [undefined, undefined, lost, undefined])
  t.same(listeners, ['on error', 'off error', 'on error', 'off error', 'on error'])
})
