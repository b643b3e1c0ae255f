import t, { type Test } from 'tap'
import { SessionList } from '../src/session/session-list.js'
import type { Session } from '../src/session/session-store.js'

const here = { id: 'here', current: true, since: 2, device: 'Firefox on Linux', sockets: 1 }
const there = { id: 'there/1', current: false, since: 1, device: 'Safari on iOS', sockets: 2 }

/** A list, with a server that the test controls. */
function build (t: Test, session: Partial<Session> | null = {}) {
  const calls: string[] = []
  let answer = async (_call: string): Promise<Response> => Response.json([here, there])
  t.intercept(globalThis, 'fetch', {
    value: async (path: string, { method, headers }: { method: string, headers: Headers }) => {
      const call = `${method} ${path} ${headers.get('authorization')}`
      calls.push(call)
      return await answer(call)
    },
    configurable: true
  })
  let checks = 0
  const current = session === null ? null : { token: 'a', since: Date.now(), expiresAt: Date.now() + 900_000, ...session } as Session
  return {
    list: new SessionList({ current, check: () => { checks++ } }),
    calls,
    checks: () => checks,
    answer: (next: typeof answer) => { answer = next }
  }
}

const refuse = (status: number) => async () => Response.json({ statusCode: status, code: 'X', message: 'No' }, { status })

t.test('the list is what the server says', async t => {
  const { list, calls } = build(t)
  t.equal(list.state.get(), null)
  await list.load()
  t.same(list.state.get(), [here, there])
  t.same(calls, ['GET /sessions Bearer a'])
})

t.test('without a JWT that is valid, and will be for a while, nothing is asked', async t => {
  for (const session of [null, { expiresAt: Date.now() - 1 }, { since: Date.now() - 890_000, expiresAt: Date.now() + 5_000 }, { since: Date.now() - 3_000, expiresAt: Date.now() + 1_000 }]) {
    const { list, calls } = build(t, session)
    await list.load()
    t.same(calls, [])
  }
})

t.test('a session that was ended elsewhere is noticed', async t => {
  const { list, answer, checks } = build(t)
  answer(refuse(401))
  await list.load()
  t.equal(checks(), 1)
  answer(refuse(503))
  await t.rejects(list.load(), { message: '503 No (X)' })
  t.equal(checks(), 1)
})

t.test('what is not wanted any more changes nothing', async t => {
  const { list, answer, checks } = build(t)
  const over = new AbortController()
  answer(async () => {
    over.abort()
    return Response.json([here])
  })
  await list.load(over.signal)
  t.equal(list.state.get(), null)
  answer(refuse(401))
  await list.load(over.signal)
  t.equal(checks(), 0)
})

t.test('sessions are ended one by one, and the list is asked for again', async t => {
  const { list, calls, answer } = build(t)
  answer(async call => {
    if (call.includes('gone')) return await refuse(404)()
    return call.startsWith('POST') ? new Response(null, { status: 204 }) : Response.json([here])
  })
  t.equal(await list.end([there, { ...there, id: 'gone' }]), 1, 'somebody else was faster')
  t.same(calls, ['POST /sessions/there%2F1/end Bearer a', 'POST /sessions/gone/end Bearer a', 'GET /sessions Bearer a'])
  t.same(list.state.get(), [here])
  answer(refuse(403))
  await t.rejects(list.end([there]), { message: '403 No (X)' })
})
