import t from 'tap'
import Fastify from 'fastify'
import wsIntrospect from '../src/index.js'
import { sumUp } from '../src/recheck.js'

/** The part of a hub that the plugin uses. The tests across plugins have a real one, on a real bus. */
function fakeHub () {
  const listeners = new Map<string, (detail: string) => Promise<string>>()
  const given: unknown[] = []
  return {
    nodes: 2,
    given,
    listeners,
    onOrder (name: string, listener: (detail: string) => Promise<string>) { listeners.set(name, listener) },
    async giveOrder (name: string, detail: string, options: object) {
      given.push([name, detail, options])
      return { answers: [await listeners.get(name)?.(detail), '{"kept":2,"closed":1,"unknown":0}'], nodes: this.nodes }
    }
  }
}

const options = { lookup: async () => null, cookie: 'token' }

for (const order of ['before', 'after', 'around'] as const) {
  t.test(`a hub that is registered ${order}`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    const hub = fakeHub()
    let inner = app
    if (order === 'before') app.decorate('wsHub', hub as never)
    if (order === 'around') {
      app.register(async child => {
        inner = child as never
        await child.register(wsIntrospect, options)
      })
      app.decorate('wsHub', hub as never)
    } else {
      await app.register(wsIntrospect, options)
    }
    if (order === 'after') app.decorate('wsHub', hub as never)
    await app.ready()
    t.strictSame(await inner.wsIntrospect.recheck('alice'), { kept: 2, closed: 1, unknown: 0, nodes: 2 })
    t.strictSame(await inner.wsIntrospect.recheck('bob', { timeout: 10 }), { kept: 2, closed: 1, unknown: 0, nodes: 2 })
    t.strictSame(hub.given, [['introspect/recheck', 'alice', { timeout: undefined }], ['introspect/recheck', 'bob', { timeout: 10 }]])
    hub.nodes = 1
    t.strictSame(await inner.wsIntrospect.recheck('carol'), { kept: 2, closed: 1, unknown: 0 }, 'nobody else is there')
    t.equal(await hub.listeners.get('introspect/recheck')?.('alice'), '{"kept":0,"closed":0,"unknown":0}', 'what other nodes ask for')
  })
}

t.test('without a hub, or with one that knows no orders, a re-check is local', async t => {
  for (const hub of [null, {}, { onOrder () {} }, { giveOrder () {} }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    if (hub !== null) app.decorate('wsHub', hub as never)
    await app.register(wsIntrospect, options)
    await app.ready()
    t.strictSame(await app.wsIntrospect.recheck('alice'), { kept: 0, closed: 0, unknown: 0 })
  }
})

t.test('what other nodes answer is checked', async t => {
  const good = '{"kept":1,"closed":2,"unknown":3}'
  t.strictSame(sumUp([]), { kept: 0, closed: 0, unknown: 0 })
  t.strictSame(sumUp([good, good]), { kept: 2, closed: 4, unknown: 6 })
  for (const wrong of ['', '{', 'null', '1', '[]', '{"kept":"1"}', '{"kept":-1}', '{"kept":1.5}', '{"kept":1e400}', '{"other":1}']) {
    t.strictSame(sumUp([wrong, good]), { kept: 1, closed: 2, unknown: 3 }, wrong)
  }
})
