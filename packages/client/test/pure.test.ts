import { CloseCode, parseServerMessage, retryAfterClose } from '@fastify-airlock/protocol'
import t from 'tap'
import { CONTROL } from '../src/attempt.js'
import { backoff } from '../src/backoff.js'
import { createTimer } from '../src/clock.js'
import { sizeOf } from '../src/codec.js'
import { createEmitter } from '../src/emitter.js'
import { AirlockError, json, raw } from '../src/index.js'
import { judgeAnswer, judgeClose } from '../src/verdict.js'

t.test('back-off doubles up to its ceiling, with full jitter', async t => {
  const ceilings = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
  for (const [n, ceiling] of ceilings.entries()) {
    t.equal(backoff(n, { min: 1_000, max: 30_000, random: () => 0 }), 0)
    t.equal(backoff(n, { min: 1_000, max: 30_000, random: () => 0.5 }), ceiling / 2)
  }
  t.equal(backoff(5_000, { min: 1_000, max: 30_000, random: () => 0.5 }), 15_000, 'after any number of failures')
})

t.test('a timer takes delays that setTimeout does not, and has one deadline', async t => {
  const fired = new Promise(resolve => {
    const timer = createTimer()
    timer(0, () => { resolve('the first one') })
    timer(Infinity, () => { resolve('the long one') })
    setTimeout(() => {
      timer()
      resolve('the short one')
    }, 20)
  })
  t.equal(await fired, 'the short one')

  const delays = t.capture(globalThis, 'setTimeout', callback => { callback() })
  for (const [ms, delay] of [[-Infinity, 0], [-1, 0], [0, 0], [5, 5], [2 ** 31 - 1, 2 ** 31 - 1]] as const) {
    await new Promise<void>(resolve => { createTimer()(ms, resolve) })
    t.equal(delays().at(-1)?.args[1], delay, `${ms}`)
  }
  // `setTimeout` would fire at once.
  for (const ms of [undefined, NaN, 2 ** 31, Infinity]) createTimer()(ms, () => { t.fail(`${ms}`) })
})

t.test('judges close codes as the protocol says', async t => {
  for (const code of [...Object.values(CloseCode), 1002, 1005, 1006, 1011, 3000, 4000, 4999]) {
    t.equal(judgeClose(code, '', false, true).retry, retryAfterClose(code), `${code}`)
  }
})

t.test('maps close codes to errors', async t => {
  for (const [code, reason] of [
    [1000, 'REFUSED'], [1001, 'UNREACHABLE'], [1006, 'UNREACHABLE'], [1009, 'REFUSED'], [1012, 'UNREACHABLE'],
    [4400, 'REFUSED'], [4401, 'UNAUTHENTICATED'], [4403, 'FORBIDDEN'], [4408, 'UNREACHABLE'], [4409, 'REFUSED'], [4410, 'LOGGED_OUT'],
    [4413, 'UNREACHABLE'], [4429, 'UNREACHABLE'], [4500, 'UNREACHABLE']
  ] as const) t.match(judgeClose(code, '', false, true), { code: `WSA_CLIENT_ERR_${reason}`, closeCode: code, final: false }, `${code}`)
  t.match(judgeClose(4001, '', false, true, [4001]), { code: 'WSA_CLIENT_ERR_REFUSED', retry: 'never' }, 'a final code of the application')
  t.equal(judgeClose(4002, '', false, true, [4001]).retry, 'later')
  t.equal(judgeClose(4401, '', false, false).retry, 'never', '4401 stays 4401 without a fresh JWT')
  t.equal(judgeClose(1006, '', true, true).retry, 'ticket', 'before the 101, a fresh ticket is worth a try')
})

t.test('reads from a restarting server when to reconnect', async t => {
  for (const [reason, wait] of [
    ['{"retryAfter":1500}', 1500], ['{"retryAfter":0}', 0], ['{"retryAfter":-1}', 0], ['{"retryAfter":1e999}', 3_600_000],
    ['{"retryAfter":null}', 0], ['{"retryAfter":"soon"}', 0], ['{"retryAfter":{}}', 0], ['{}', 0], ['null', 0], ['restart', 0], ['', 0]
  ] as const) t.equal(judgeClose(1012, reason, false, true).wait, wait, reason)
  t.equal(judgeClose(1013, '{"retryAfter":1500}', false, true).wait, 0, 'from no other close code')
})

t.test('maps HTTP statuses to errors', async t => {
  for (const [status, reason, retry] of [
    [400, 'REFUSED', 'never'], [401, 'UNAUTHENTICATED', 'never'], [403, 'FORBIDDEN', 'never'], [404, 'REFUSED', 'never'],
    [405, 'REFUSED', 'never'], [413, 'REFUSED', 'never'], [415, 'REFUSED', 'never'], [408, 'UNREACHABLE', 'later'],
    [421, 'UNREACHABLE', 'later'], [425, 'UNREACHABLE', 'later'], [429, 'UNREACHABLE', 'later'], [500, 'UNREACHABLE', 'later'], [503, 'UNREACHABLE', 'later'],
    [410, 'REFUSED', 'never'], [0, 'UNREACHABLE', 'later'], [302, 'UNREACHABLE', 'later']
  ] as const) t.match(judgeAnswer({ status }), { code: `WSA_CLIENT_ERR_${reason}`, status, retry, wait: 0 }, `${status}`)
  for (const nothing of [new Error('down'), 'down', null, undefined]) {
    t.match(judgeAnswer(nothing), { code: 'WSA_CLIENT_ERR_UNREACHABLE', status: undefined, retry: 'later', cause: nothing })
  }
})

t.test('reads Retry-After', async t => {
  const wait = (value: string): number => judgeAnswer(new Response(null, { status: 503, headers: { 'retry-after': value } })).wait
  t.equal(wait('3'), 3_000)
  t.equal(wait('0'), 0)
  t.equal(wait('-3'), 0)
  t.equal(wait('soon'), 0)
  t.equal(wait('99999999'), 3_600_000)
  t.equal(wait(new Date(0).toUTCString()), 0)
  const date = wait(new Date(Date.now() + 60_000).toUTCString())
  t.ok(date > 50_000 && date <= 60_000, `${date}`)
  for (const status of [400, 401, 403, 404, 409, 418, 499, 503]) {
    for (const after of ['7', new Date(Date.now() + 7_500).toUTCString(), 'soon']) {
      t.match(judgeAnswer(new Response(null, { status, headers: { 'retry-after': after } })), { code: 'WSA_CLIENT_ERR_UNREACHABLE', retry: 'later', status }, `${status} ${after}`)
    }
    t.equal(judgeAnswer(new Response(null, { status, headers: { 'retry-after': '' } })).retry, status < 500 ? 'never' : 'later', 'an empty one says nothing')
  }
  t.equal(judgeAnswer({ status: 503, headers: null }).wait, 0)
  t.equal(judgeAnswer({ status: 503, headers: {} }).wait, 0)
})

t.test('recognizes what may be a control message', async t => {
  for (const message of [
    { type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1 }, { expiresAt: 1, type: 'expiring' }, { type: 'refresh_ok', expiresAt: 1 },
    { type: 'auth_error', code: 4403, reason: 'no', retry: false }
  ]) {
    for (const space of [0, 2]) t.match(JSON.stringify(message, null, space), CONTROL)
  }
  const escaped = '{"\\u0074ype":"e\\u0078piring","expiresAt":1}'
  t.same(parseServerMessage(escaped), { type: 'expiring', expiresAt: 1 })
  t.match(escaped, CONTROL)
  for (const other of ['{"type":"tick","n":1}', 'expiring', String(new ArrayBuffer(8))]) t.notMatch(other, CONTROL)
})

t.test('the JSON codec passes binary data through and turns anything else into JSON', async t => {
  const buffer = new ArrayBuffer(3)
  const foreign = { [Symbol.toStringTag]: 'ArrayBuffer' }
  for (const binary of [buffer, new Uint8Array(buffer), new DataView(buffer), new Blob(['abc']), new File(['abc'], 'x'), foreign]) {
    t.equal(json.encode(binary), binary)
  }
  t.equal(json.encode('hi'), '"hi"')
  t.equal(json.encode({ a: 1 }), '{"a":1}')
  t.equal(json.encode(undefined), 'null')
  t.same(json.decode('{"a":1}'), { a: 1 })
  t.equal(json.decode(buffer), buffer)
  t.throws(() => json.decode('{'))
})

t.test('the raw codec changes nothing', async t => {
  const buffer = new ArrayBuffer(3)
  for (const data of ['{', '', buffer]) {
    t.equal(raw.encode(data), data)
    t.equal(raw.decode(data), data)
  }
})

t.test('sizeOf() returns the size on the wire', async t => {
  t.equal(sizeOf('abc'), 3)
  t.equal(sizeOf('äöü€😀'), 13)
  t.equal(sizeOf(new ArrayBuffer(5)), 5)
  t.equal(sizeOf(new Uint16Array(5)), 10)
  t.equal(sizeOf(new Blob(['ä'])), 2)
})

t.test('listeners are added, called and removed', async t => {
  const { on, emit, clear } = createEmitter<{ a: number, b: number }>()
  const heard: string[] = []
  const listener = (event: number): void => { heard.push(`a${event}`) }
  const once = on('a', listener)
  on('a', listener)
  on('b', event => { heard.push(`b${event}`) })
  emit('a', 1)
  once()
  once()
  emit('a', 2)
  emit('b', 3)
  t.same(heard.splice(0), ['a1', 'a1', 'a2', 'b3'], 'the same function twice, and each removed alone')

  const late = on('a', () => {
    late()
    gone()
    on('a', () => { heard.push('added') })
  })
  const gone = on('a', () => { heard.push('removed') })
  emit('a', 4)
  t.same(heard.splice(0), ['a4'], 'neither a listener that was added meanwhile, nor one that was removed')
  emit('a', 5)
  t.same(heard.splice(0), ['a5', 'added'])
  clear()
  emit('a', 6)
  t.same(heard, [])
})

t.test('when a listener throws, the others still hear, and the error is reported', async t => {
  const { on, emit } = createEmitter<{ a: number }>()
  const heard: number[] = []
  const uncaught = t.captureFn(() => {})
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.once('uncaughtException', uncaught)
  on('a', () => { throw new Error('mine') })
  on('a', event => { heard.push(event) })
  emit('a', 1)
  await new Promise(resolve => { setImmediate(resolve) })
  for (const listener of listeners) process.on('uncaughtException', listener)
  t.same(heard, [1])
  t.match(uncaught.args(), [[{ message: 'mine' }]])
})

t.test('an error has a code and defaults', async t => {
  const error = new AirlockError('WSA_CLIENT_ERR_TIMEOUT', 'late')
  t.match(error, { name: 'AirlockError', code: 'WSA_CLIENT_ERR_TIMEOUT', message: 'late', final: false, retry: 'later', wait: 0 })
  t.ok(error instanceof Error)
  t.equal(new AirlockError('WSA_CLIENT_ERR_CLOSED', '').retry, 'never')
})
