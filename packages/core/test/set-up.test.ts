import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { bindMethods, decorateBound, isReplaced, Misuse, grants, SetUp } from '../src/index.js'

function build (t: Test) {
  const warnings: Array<{ level: number, code: string, msg: string }> = []
  const app = Fastify({ logger: { stream: { write: (line: string) => { warnings.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  return { app, warnings }
}

t.test('a warning is logged once, with its code and how to silence it', async t => {
  const { app, warnings } = build(t)
  const setUp = SetUp.of(app)
  setUp.check(async () => setUp.warn('WSA_TEST_WARN_A', 'something is unsafe'))
  setUp.check(() => setUp.warn('WSA_TEST_WARN_A', 'something else'))
  setUp.check(() => setUp.warn('WSA_TEST_WARN_B', 'never seen'))
  app.register(async scope => {
    t.equal(SetUp.of(scope), setUp, 'one for each server')
    SetUp.of(scope).ignore(['WSA_TEST_WARN_B'])
  })
  t.same(warnings, [], 'nothing before the start')
  await app.ready()
  setUp.warn('WSA_TEST_WARN_C', 'later')
  t.match(warnings, [
    { level: 40, code: 'WSA_TEST_WARN_A', msg: "something is unsafe (or ignoreWarnings: ['WSA_TEST_WARN_A'])" },
    { level: 40, code: 'WSA_TEST_WARN_C', msg: /^later/ }
  ])
  t.equal(warnings.length, 2)
})

t.test('a warning for a reason is logged once for each, and can be silenced', async t => {
  const { app, warnings } = build(t)
  const setUp = SetUp.of(app)
  for (const reason of ['a', 'a', 'b']) setUp.warnOf('WSA_TEST_WARN_A', reason, `refused: ${reason}`, { detail: reason })
  setUp.ignore(['WSA_TEST_WARN_B'])
  setUp.warnOf('WSA_TEST_WARN_B', 'c', 'never seen', {})
  t.match(warnings, [{ level: 40, code: 'WSA_TEST_WARN_A', msg: 'refused: a', detail: 'a' }, { msg: 'refused: b' }])
  t.equal(warnings.length, 2)
})

t.test('a check that comes when the server runs is not made, and not kept', async t => {
  const { app } = build(t)
  const setUp = SetUp.of(app)
  await app.ready()
  setUp.check(() => { t.fail('too late') })
})

t.test('a check that throws keeps the server from starting', async t => {
  const { app } = build(t)
  SetUp.of(app).check(async () => { throw new Error('unsafe') })
  await t.rejects(async () => { await app.ready() }, { message: 'unsafe' })
})

t.test('a hook that answers neither true nor false is explained once', async t => {
  for (const [answer, said] of [[undefined, 'undefined'], [null, 'null'], ['yes', 'string'], [Promise.resolve(true), 'a promise'], [{}, 'object']] as const) {
    const { app, warnings } = build(t)
    const misuse = Misuse.of(app, 'WSA_TEST_WARN')
    for (const each of [true, false, answer, answer]) misuse.isGranted(grants('authorize'), each)
    t.match(warnings, [{ code: 'WSA_TEST_WARN', msg: `authorize returned ${said} in place of true or false` }])
    t.equal(warnings.length, 1)
  }
  const { app, warnings } = build(t)
  SetUp.of(app).ignore(['WSA_TEST_WARN'])
  Misuse.of(app, 'WSA_TEST_WARN').isGranted(grants('authorize'), undefined)
  t.same(warnings, [])
})

t.test('a decorator knows the instance that it was taken from, and stays the same', async t => {
  const { app } = build(t)
  decorateBound(app, 'wsTest', (instance: FastifyInstance) => () => instance)
  const take = (instance: object) => (instance as { wsTest: () => FastifyInstance }).wsTest
  const wsTest = take(app)
  t.equal(wsTest(), app)
  t.equal(take(app), wsTest)
  await app.register(async scope => {
    const { wsTest } = scope as unknown as { wsTest: () => FastifyInstance }
    t.equal(wsTest(), scope)
  })
  t.ok(app.hasDecorator('wsTest'))
})

t.test('methods work when they are taken from their object, and may be replaced', async t => {
  class Counter {
    #count = 0
    readonly limit = 5

    constructor () {
      bindMethods(this)
    }

    get count (): number {
      return this.#count
    }

    add (): number {
      return ++this.#count
    }
  }
  const counter = new Counter()
  const { add } = counter
  t.equal(add(), 1)
  t.equal(counter.count, 1)
  t.same(Object.keys(counter), ['limit'], 'methods are not listed')
  t.notOk(isReplaced(counter, 'add'))
  counter.add = () => 7
  t.ok(isReplaced(counter, 'add'))
  t.notOk(isReplaced({}, 'add'))
  t.ok(isReplaced({ add: undefined }, 'add'))
})
