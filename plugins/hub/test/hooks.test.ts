import t from 'tap'
import { Misuse } from '@fastify-airlock/core'
import { once } from 'node:events'
import { TopicCheck, type TopicCheckSettings } from '../src/topic-check.js'
import { build } from './helpers.js'

function start (authorizeTopic: unknown) {
  const lines: string[] = []
  const clock = { now: 0 }
  const check = new TopicCheck({
    authorizeTopic: authorizeTopic as TopicCheckSettings['authorizeTopic'],
    authorizeTimeout: 1_000,
    log: { error: ({ err }: { err: Error }) => { lines.push(err.message) } } as never,
    misuse: new Misuse({ warn: (_details, message) => { lines.push(message) } }, 'WSA_TEST_WARN'),
    now: () => clock.now
  })
  return { lines, clock, check, ask: () => check.ask({ subject: 'alice' }, 'news', false) }
}

t.test('authorizeTopic: only true allows, and an answer comes in time or not at all', async t => {
  t.equal(start(() => true).ask(), 'allowed')
  t.equal(await start(async () => true).ask(), 'allowed')
  t.equal(start(() => false).ask(), 'denied')
  t.equal(start(() => undefined).ask(), 'denied')
  t.equal(start(() => { throw new Error('broken') }).ask(), 'failed')
  t.equal(await start(async () => { throw new Error('broken') }).ask(), 'failed')

  const { lines, clock, check, ask } = start(() => new Promise(() => {}))
  const answers = [ask(), ask()]
  clock.now = 999
  check.tick()
  clock.now = 1_200
  check.tick()
  t.strictSame(await Promise.all(answers), ['late', 'late'])
  t.equal(lines.length, 1)
  t.match(lines[0], 'authorizeTopic had no answer within authorizeTimeout')
})

t.test('slowConsumer: anything but its three answers terminates', async t => {
  const rejects = async (): Promise<never> => { throw new Error('broken') }
  for (const answer of [undefined, null, 0, '', {}, 1, 'false', true, rejects]) {
    const lines: string[] = []
    const { hub, pair } = await build(t, {
      hub: { maxBufferedBytes: 100, slowConsumer: () => (answer === rejects ? rejects() : answer) as never },
      fastify: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } }
    })
    const { client, socket } = await pair()
    Object.defineProperty(socket, 'bufferedAmount', { get: () => 90 })
    const closed = once(client, 'close')
    t.equal(hub.broadcast('x'.repeat(50)), 0)
    await closed
    t.match(lines.join(), /slowConsumer returned .* in place of an action/)
  }
})
