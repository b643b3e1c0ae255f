import t, { type Test } from 'tap'
import { SessionStore, type Tabs } from '../src/session/session-store.js'

const ALICE = { id: 'alice', name: 'Alice', role: 'user' } as const
const BOB = { id: 'bob', name: 'Bob', role: 'user' } as const

interface Call {
  path: string
  authorization: string | null
  body: unknown
}

/** A store, with a server and tabs that the test controls. */
function build (t: Test, { hint = false }: { hint?: boolean } = {}) {
  const kept = new Map<string, string>(hint ? [['airlock.session', 'yes']] : [])
  const storage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => { kept.set(name, value) },
    removeItem: (name: string) => { kept.delete(name) }
  }
  t.intercept(globalThis, 'localStorage' as keyof typeof globalThis, { value: storage, configurable: true })

  const calls: Call[] = []
  let answer: (call: Call) => Response | Promise<Response> = () => Response.error()
  t.intercept(globalThis, 'fetch', {
    value: async (path: string, { headers, body }: { headers: Headers, body?: string }) => {
      const call = { path, authorization: headers.get('authorization'), body: body === undefined ? null : JSON.parse(body) }
      calls.push(call)
      return answer(call)
    },
    configurable: true
  })

  const told: unknown[] = []
  let hear: (event: { data: unknown }) => void = () => {}
  const tabs = {
    postMessage: (message: unknown) => { told.push(message) },
    addEventListener: (_name: string, listener: typeof hear) => { hear = listener }
  } as unknown as Tabs
  const store = new SessionStore(tabs)
  return {
    store,
    kept,
    calls,
    told,
    hear: (data: unknown) => hear({ data }),
    answer: (next: typeof answer) => { answer = next }
  }
}

const grant = (token: string, user: object = ALICE, life = 900_000) =>
  () => Response.json({ token, user, expiresAt: Date.now() + life })
const refuse = (status: number, code: string) => () => Response.json({ statusCode: status, code, message: 'No' }, { status })

t.test('a first visit sends no request', async t => {
  const { store, calls } = build(t)
  t.same(store.state.get(), { status: 'out', note: null })
  t.equal(await store.token(), null)
  t.equal(await store.renew(), null)
  t.same(calls, [])
})

t.test('login() keeps the JWT in memory, stores a hint and tells the other tabs', async t => {
  const { store, kept, told, calls, answer } = build(t)
  answer(grant('jwt-1'))
  await store.login('alice', 'wonderland')
  t.match(store.current, { token: 'jwt-1', user: ALICE, path: '/login' })
  t.same([...kept], [['airlock.session', 'yes']], 'nothing else is stored')
  t.same(told, ['in'])
  t.same(calls[0]?.body, { username: 'alice', password: 'wonderland' })
  t.equal(await store.token(), 'jwt-1')
  t.equal(calls.length, 1, 'a fresh JWT is not renewed')
})

t.test('a wrong password changes nothing', async t => {
  const { store, kept, answer } = build(t)
  answer(refuse(401, 'WSA_DEMO_ERR_BAD_CREDENTIALS'))
  await t.rejects(store.login('alice', 'x'), { name: 'HttpError', status: 401, code: 'WSA_DEMO_ERR_BAD_CREDENTIALS' })
  t.same(store.state.get(), { status: 'out', note: null })
  t.equal(kept.size, 0)
})

t.test('a reload restores the session from the cookie', async t => {
  const { store, calls, answer } = build(t, { hint: true })
  t.same(store.state.get(), { status: 'restoring' })
  answer(grant('jwt-2'))
  await store.restore()
  t.match(store.current, { token: 'jwt-2', path: '/session' })
  t.match(calls, [{ path: '/session', authorization: null }])
})

t.test('cannot be restored', async t => {
  t.test('when it has ended', async t => {
    const { store, kept, answer } = build(t, { hint: true })
    answer(refuse(401, 'WSA_DEMO_ERR_NOT_AUTHENTICATED'))
    await store.restore()
    t.match(store.state.get(), { status: 'out', note: /Log in again/ })
    t.equal(kept.size, 0, 'the next visit sends no request')
  })
  t.test('when the server cannot be reached', async t => {
    const { store, kept, answer } = build(t, { hint: true })
    answer(() => { throw new TypeError('fetch failed') })
    await store.restore()
    t.match(store.state.get(), { status: 'out', note: 'The server cannot be reached' })
    t.equal(kept.size, 1, 'the next visit tries again')
  })
})

t.test('renews a JWT that expires soon, once for all callers', async t => {
  const { store, calls, answer } = build(t)
  answer(grant('old', ALICE, 100_000))
  await store.login('alice', 'wonderland')
  t.intercept(Date, 'now', { value: () => store.current!.since + 81_000, configurable: true })
  answer(grant('new'))
  t.same(await Promise.all([store.token(), store.token(), store.renew().then(session => session?.token)]), ['new', 'new', 'new'])
  t.match(calls.slice(1), [{ path: '/session', authorization: 'Bearer old' }])
  t.equal(calls.length, 2)
})

t.test('does not send an expired JWT, which would hide the cookie of another tab', async t => {
  const { store, calls, answer } = build(t)
  answer(grant('old', ALICE, -1))
  await store.login('alice', 'wonderland')
  answer(grant('new'))
  t.equal(await store.token(), 'new')
  t.equal(calls[1]?.authorization, null)
})

t.test('a server that cannot be reached or is busy does not end the session', async t => {
  const { store, answer } = build(t)
  answer(grant('jwt-1'))
  await store.login('alice', 'wonderland')
  answer(refuse(503, 'WSA_DEMO_ERR_INTERNAL'))
  await t.rejects(store.renew(), { name: 'HttpError', status: 503 })
  await store.restore()
  t.equal(store.current?.token, 'jwt-1')
})

t.test('does not accept another user’s session from the cookie', async t => {
  const { store, answer } = build(t)
  answer(grant('jwt-1'))
  await store.login('alice', 'wonderland')
  answer(grant('jwt-2', BOB))
  t.equal(await store.renew(), null)
  t.match(store.state.get(), { status: 'out', note: /Bob has logged in/ })
})

t.test('logout() ends the session here, on the server and in the other tabs', async t => {
  const { store, kept, told, calls, answer } = build(t)
  await store.logout()
  t.same(calls, [], 'nobody is logged in')
  answer(grant('jwt-1'))
  await store.login('alice', 'wonderland')
  let during: unknown
  answer(async () => {
    during = store.state.get()
    t.equal(await store.renew(), null, 'nothing is renewed during the logout')
    return new Response(null, { status: 204 })
  })
  await store.logout()
  t.match(during, { status: 'in', leaving: true })
  t.match(calls.at(-1), { path: '/logout', authorization: 'Bearer jwt-1' })
  t.match(store.state.get(), { status: 'out', note: /revoked/ })
  t.equal(kept.size, 0)
  t.same(told, ['in', 'out'])
})

t.test('a failed logout keeps the session', async t => {
  const { store, answer } = build(t)
  answer(grant('jwt-1'))
  await store.login('alice', 'wonderland')
  answer(refuse(500, 'WSA_DEMO_ERR_INTERNAL'))
  await t.rejects(store.logout(), { name: 'HttpError', status: 500 })
  t.match(store.state.get(), { status: 'in', leaving: false })
  answer(refuse(401, 'WSA_DEMO_ERR_NOT_AUTHENTICATED'))
  await store.logout()
  t.equal(store.state.get().status, 'out', 'a session that is over already counts as logged out')
})

t.test('follows the other tabs', async t => {
  const { store, calls, answer, hear } = build(t)
  hear('out')
  t.same(store.state.get(), { status: 'out', note: null }, 'nothing changes')
  answer(grant('jwt-1'))
  hear('in')
  t.same(store.state.get(), { status: 'restoring' })
  await store.renew()
  t.equal(store.current?.token, 'jwt-1')
  hear('in')
  hear('something else')
  t.equal(calls.length, 1)
  hear('out')
  t.same(store.state.get(), { status: 'out', note: 'You logged out in another tab.' })
})

t.test('ignores a renewal that arrives after a logout', async t => {
  const { store, answer, hear } = build(t)
  answer(grant('jwt-1'))
  await store.login('alice', 'wonderland')
  answer(() => {
    hear('out')
    return grant('jwt-2')()
  })
  t.equal(await store.renew(), null)
  t.equal(store.state.get().status, 'out')
})

t.test('check() waits for other tabs to say what they did', async t => {
  const { store, calls, answer, hear } = build(t)
  answer(grant('jwt-1'))
  await store.login('alice', 'wonderland')
  const later: Array<() => void> = []
  t.intercept(globalThis, 'setTimeout', { value: (run: () => void) => later.push(run), configurable: true })
  const asked = () => calls.filter(({ path }) => path === '/session').length

  store.check()
  t.equal(asked(), 0)
  later[0]?.()
  t.equal(asked(), 1)
  await store.renew()

  store.check()
  hear('out')
  later.at(-1)?.()
  t.equal(asked(), 1, 'no request for what another tab has said')
})
