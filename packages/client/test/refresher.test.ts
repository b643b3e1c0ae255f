import t, { type Test } from 'tap'
import { fault, type AirlockError } from '../src/errors.js'
import { createRefresher } from '../src/refresher.js'
import { clock } from './helpers.js'

type Answer = string | AirlockError | Promise<string>

/** A refresher whose application gives these answers, the last one again and again. */
function build (t: Test, answers: Answer[] = ['jwt'], timeout = 1_000) {
  const time = clock(t)
  const asked: Array<[attempt: number, mustDiffer: boolean]> = []
  const sent: string[] = []
  const failures: string[] = []
  const unanswered: string[] = []
  let tell = (): void => {}
  const refresher = createRefresher(
    { timeout, min: 4, max: 4, random: () => 0.5 },
    async (...question) => {
      asked.push(question)
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      if (answer instanceof Error) throw answer
      return await (answer as string | Promise<string>)
    },
    token => {
      sent.push(token)
      tell()
    },
    error => { failures.push(error.code) },
    error => { unanswered.push(error.code) }
  )
  t.teardown(() => { refresher.stop(fault('CLOSED')) })
  return {
    refresher,
    time,
    asked,
    sent,
    failures,
    unanswered,
    /** Resolves when the next JWT has been sent. */
    nextSent: () => new Promise<void>(resolve => { tell = resolve })
  }
}

const idle = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
const sleep = (ms: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, ms) })

t.test('sends a JWT and resolves when the server accepts it', async t => {
  const { refresher, asked, sent } = build(t)
  const refreshed = refresher.refresh()
  t.equal(refresher.refresh(), refreshed, 'calls share a running refresh')
  await idle()
  t.same(asked, [[0, false]])
  t.same(sent, ['jwt'])
  refresher.refreshed()
  await refreshed
})

t.test('ignores an answer without a request', async t => {
  const { refresher } = build(t)
  refresher.refreshed()
  const refreshed = refresher.refresh()
  refresher.refreshed()
  await refreshed
})

t.test('when the server asks, the JWT must differ from the one in force', async t => {
  const { refresher, asked, nextSent } = build(t)
  const sent = nextSent()
  refresher.expiring()
  await sent
  t.same(asked, [[0, true]])
})

t.test('a server that asks again at once is answered a second later', async t => {
  const { refresher, asked, time, nextSent } = build(t)
  let sent = nextSent()
  refresher.expiring()
  await sent
  refresher.refreshed()
  refresher.expiring()
  await idle()
  t.equal(asked.length, 1)
  time.ahead += 1_000
  sent = nextSent()
  refresher.expiring()
  await sent
  t.equal(asked.length, 2)
})

t.test('a refresh that the server asked for is tried again until it succeeds', async t => {
  const { refresher, asked, failures, nextSent } = build(t, [fault('UNREACHABLE'), fault('TIMEOUT'), 'jwt'])
  const sent = nextSent()
  refresher.expiring()
  await sent
  t.same(asked, [[0, true], [1, true], [2, true]])
  t.same(failures, ['WSA_CLIENT_ERR_UNREACHABLE', 'WSA_CLIENT_ERR_TIMEOUT'])
  refresher.refreshed()
  refresher.refresh().catch(() => {})
  await idle()
  t.same(asked.at(-1), [0, false], 'a success starts the count over')
})

t.test('is not tried again', async t => {
  t.test('when there will be no JWT', async t => {
    const { refresher, asked, failures } = build(t, [fault('UNAUTHENTICATED')])
    refresher.expiring()
    await sleep(30)
    t.equal(asked.length, 1)
    t.same(failures, ['WSA_CLIENT_ERR_UNAUTHENTICATED'])
  })
  t.test('when the application asked for it', async t => {
    const { refresher, asked, failures } = build(t, [fault('UNREACHABLE')])
    await t.rejects(refresher.refresh(), { code: 'WSA_CLIENT_ERR_UNREACHABLE' })
    await sleep(30)
    t.equal(asked.length, 1)
    t.same(failures, ['WSA_CLIENT_ERR_UNREACHABLE'])
  })
})

t.test('an application that takes too long fails the refresh, and its late answer is dropped', async t => {
  let answer = (_token: string): void => {}
  const { refresher, sent, failures, unanswered } = build(t, [new Promise(resolve => { answer = resolve })], 10)
  await t.rejects(refresher.refresh(), { code: 'WSA_CLIENT_ERR_TIMEOUT' })
  answer('late')
  await idle()
  t.same(sent, [])
  t.same(failures, ['WSA_CLIENT_ERR_TIMEOUT'])
  t.same(unanswered, [])
})

t.test('a server that does not answer is reported', async t => {
  const { refresher, failures, unanswered } = build(t, ['jwt'], 10)
  refresher.refresh().catch(() => {})
  await sleep(30)
  t.same(unanswered, ['WSA_CLIENT_ERR_TIMEOUT'])
  t.same(failures, [])
})

t.test('probes at most once a second', async t => {
  const { refresher, asked, time } = build(t)
  refresher.probe()
  refresher.refreshed()
  refresher.probe()
  t.equal(asked.length, 1)
  time.ahead += 1_001
  refresher.probe()
  t.equal(asked.length, 2)
})

t.test('stop() rejects the running refresh and cancels a retry', async t => {
  const { refresher, sent } = build(t)
  const refreshed = refresher.refresh()
  refresher.stop(fault('CLOSED'))
  await t.rejects(refreshed, { code: 'WSA_CLIENT_ERR_CLOSED' })
  await idle()
  t.same(sent, [])

  const waiting = build(t, [fault('UNREACHABLE')])
  waiting.refresher.expiring()
  await sleep(3)
  waiting.refresher.stop(fault('CLOSED'))
  const { length } = waiting.asked
  await sleep(30)
  t.equal(waiting.asked.length, length)
})
