import t from 'tap'
import { once } from 'node:events'
import { readMessage, reportTexts } from '../src/messages.js'
import { build } from './helpers.js'

t.test('which messages are of the extension', async t => {
  const cases: Array<[text: string, found: unknown]> = [
    ['hello', null], ['"presence:', null], ['"presence:watch"', null], ['["presence:watch"]', null], ['null "presence:', null], ['{"a":"presence:x"}', null],
    ['{"type":7,"a":"presence:x"}', null], ['{"type":"present","a":"presence:x"}', null],
    ['{"type":"presence:watch","topics":["a"]}', { type: 'presence:watch', topics: ['a'] }],
    ['{"type":"presence:unwatch","topics":[7]}', { type: 'presence:unwatch', topics: [7] }],
    ['{"type":"presence:watch","topics":[]}', { type: 'invalid', topic: undefined }],
    ['{"type":"presence:watch","topics":"a"}', { type: 'invalid', topic: undefined }],
    ['{"type":"presence:watch","topic":"a"}', { type: 'invalid', topic: 'a' }],
    ['{"type":"presence:set","topic":"a","state":null}', { type: 'presence:set', topic: 'a', state: null }],
    ['{"type":"presence:set","topic":"","state":{}}', { type: 'presence:set', topic: '', state: {} }],
    ['{"type":"presence:set","topic":"a"}', { type: 'invalid', topic: 'a' }],
    ['{"type":"presence:set","topic":7,"state":1}', { type: 'invalid', topic: undefined }],
    ['{"type":"presence:new","topic":"a"}', { type: 'invalid', topic: 'a' }]
  ]
  for (const [text, found] of cases) t.same(readMessage(Buffer.from(text)), found, text)
})

t.test('a long report comes in several messages', async t => {
  const user = (n: number) => JSON.stringify({ subject: `${n}`, connections: 1, state: 'x'.repeat(40_000) })
  const all = reportTexts('list', 'a', { here: [user(1), user(2)], gone: ['bob'], total: 2 }).map(text => JSON.parse(text))
  t.match(all, [
    { type: 'presence:list', topic: 'a', total: 2, here: [{ subject: '1' }], more: true },
    { type: 'presence:change', topic: 'a', total: 2, here: [{ subject: '2' }], gone: ['bob'] }
  ])
  t.equal(all[1].more, undefined)
  t.same(reportTexts('list', 'a', { here: [], gone: [], total: 0 }), ['{"type":"presence:list","topic":"a","total":0}'])
})

t.test('what cannot be read is refused where the answer can name it, and ends the connection elsewhere', async t => {
  const { connect, presence } = await build(t, { presence: { maxTopics: 2, maxStateBytes: 160 } })
  const client = await connect()
  const refusals: Array<[message: object, refusal: object]> = [
    [{ type: 'presence:set', topic: 'a' }, { topic: 'a', code: 'invalid' }],
    [{ type: 'presence:new', topic: 'b' }, { topic: 'b', code: 'invalid' }],
    [{ type: 'presence:watch', topics: ['x'.repeat(300)] }, { topic: 'x'.repeat(256), code: 'invalid' }],
    [{ type: 'presence:set', topic: 'a', state: 'x'.repeat(159) }, { topic: 'a', code: 'invalid', state: true }]
  ]
  for (const [message, refusal] of refusals) {
    client.send(message)
    t.same(await client.next(), { type: 'presence:refused', ...refusal })
  }
  // It can be parsed, but not written again.
  client.socket.send(`{"type":"presence:set","topic":"a","state":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)
  t.same(await client.next(), { type: 'presence:refused', topic: 'a', code: 'invalid', state: true })
  client.socket.send(`{"type":"presence:set","topic":"a","state":${'['.repeat(70)}${']'.repeat(70)}}`)
  t.same(await client.next(), { type: 'presence:refused', topic: 'a', code: 'invalid', state: true })
  t.equal(presence.stats.refused.invalid, 6)
  for (const message of [
    { type: 'presence:watch' }, { type: 'presence:watch', topics: [] }, { type: 'presence:watch', topics: [7] }, { type: 'presence:unwatch', topics: [{}] },
    { type: 'presence:watch', topics: ['a', 'b', 'c'] }, { type: 'presence:unwatch', topics: ['a', 'b', 'c'] }, { type: 'presence:set', state: 1 }
  ]) {
    const other = await connect()
    const closed = once(other.socket, 'close')
    other.send(message)
    other.send({ type: 'presence:watch', topics: ['late'] })
    t.match((await closed).map(String), ['4400', 'malformed presence message'], JSON.stringify(message))
    t.same(other.all, [], 'what comes after it is not handled')
  }
})

t.test('what one connection may have is bounded', async t => {
  const { connect, presence } = await build(t, { presence: { maxTopics: 2, stateRate: { perSecond: 0.001, burst: 4 }, watchRate: { perSecond: 0.001, burst: 4 } } })
  const client = await connect('alice', 'a')
  client.send({ type: 'presence:watch', topics: ['a', 'b'] })
  await client.of('presence:list')
  await client.of('presence:list')
  t.same(await client.watch('c'), { type: 'presence:refused', topic: 'c', code: 'too_many' })
  t.equal((await client.watch('b')).type, 'presence:list')
  t.match(await client.watch('b'), { code: 'rate', retryAfter: /^\d+$/ })
  t.equal(presence.stats.watches, 1, 'one that was refused has ended')
  for (const topic of ['a', 'b']) client.send({ type: 'presence:set', topic, state: 1 })
  client.send({ type: 'presence:set', topic: 'c', state: 1 })
  t.same(await client.of('presence:refused'), { type: 'presence:refused', topic: 'c', state: true, code: 'too_many' })
  client.send({ type: 'presence:set', topic: 'a', state: 2 })
  client.send({ type: 'presence:set', topic: 'a', state: 3 })
  t.match(await client.of('presence:refused'), { topic: 'a', state: true, code: 'rate', retryAfter: /^\d+$/ })
  t.same(presence.of('a'), [{ subject: 'alice', connections: 1, state: 2 }])
  t.same(presence.stats.refused, { forbidden: 0, invalid: 0, too_many: 2, rate: 2, unavailable: 0 })
})

t.test('its messages count', async t => {
  const { connect } = await build(t, { hub: { messageRate: { perSecond: 0.001, burst: 3 } } })
  const client = await connect()
  const closed = once(client.socket, 'close')
  for (let n = 0; n < 10; n++) client.send({ type: 'presence:unwatch', topics: ['a'] })
  t.equal((await closed)[0], 4429)
})

t.test('how deep a state may be', async t => {
  const { connect, presence, sockets } = await build(t, { presence: { maxStateBytes: 65_536 } })
  await connect('alice', 'a')
  const nest = (levels: number, make: (inner: unknown) => unknown): unknown => levels === 0 ? 1 : make(nest(levels - 1, make))
  for (const make of [(inner: unknown) => [0, inner], (inner: unknown) => ({ a: null, inner })]) {
    presence.set(sockets[0] as never, 'a', nest(64, make))
    t.throws(() => presence.set(sockets[0] as never, 'a', nest(65, make)), { code: 'WSA_PRESENCE_ERR_INVALID_STATE', message: /more than 64 levels/ })
  }
  t.throws(() => presence.set(sockets[0] as never, 'a', JSON.parse('['.repeat(20_000) + ']'.repeat(20_000))), { code: 'WSA_PRESENCE_ERR_INVALID_STATE' })
})
