// Runs alone: it moves the clock of its process.
import { MemoryStore } from '@fastify-airlock/ticket'
import t from 'tap'
import { runningClock, testServer, Trouble } from '../src/index.js'
import { build } from './build.js'

/** A store that counts in private. */
class Counter {
  #count = 0
  readonly name = 'counter'
  async add (by: number): Promise<number> { return (this.#count += by) }
  now (): number { return this.#count }
  has (): boolean { return this.#count > 0 }
  fail (): never { throw new Error('of its own') }
  [Symbol.toPrimitive] (): number { return this.#count }
}

t.test('without trouble nothing is different', async t => {
  const trouble = new Trouble()
  const counter = trouble.of(new Counter())
  t.equal(await counter.add(2), 2)
  t.equal(counter.now(), 2)
  t.equal(counter.has(), true)
  t.equal(counter.name, 'counter')
  t.equal(Number(counter), 2)
  t.ok(counter instanceof Counter)
  t.throws(() => counter.fail(), { message: 'of its own' })
  t.same(trouble.calls, [{ method: 'add', args: [2] }, { method: 'now', args: [] }, { method: 'fail', args: [] }])
})

t.test('every trouble', async t => {
  const trouble = new Trouble()
  const counter = trouble.of(new Counter())
  trouble.refuse()
  await t.rejects(counter.add(1), { message: 'The test has it refuse' })
  trouble.refuse({ error: new Error('mine'), times: 1 })
  await t.rejects(counter.add(1), { message: 'mine' })
  t.equal(await counter.add(1), 1, 'once only')
  trouble.refuse({ only: ['fail'] })
  t.equal(await counter.add(1), 2, 'another method')
  trouble.refuse()
  t.equal(counter.has(), true, 'a predicate answers as ever')

  trouble.late()
  const late = counter.add(10)
  t.equal(trouble.waiting, 1)
  trouble.answerLate()
  const answer = counter.add(100)
  const failed = counter.fail() as unknown as Promise<never>
  failed.catch(() => {})
  t.equal(trouble.waiting, 3)
  trouble.heal()
  t.equal(await answer, 102, 'was carried out at once')
  t.equal(await late, 112, 'and what is late, when it is released')
  await t.rejects(failed, { message: 'of its own' })

  let answered = false
  const note = (): void => { answered = true }
  trouble.lose()
  counter.add(1_000).then(note, note)
  trouble.loseAnswer()
  counter.add(10_000).then(note, note)
  trouble.heal()
  t.equal(await counter.add(0), 10_112)
  t.notOk(answered)
})

t.test('of a function, and of named methods', async t => {
  const trouble = new Trouble({ methods: ['', 'now'] })
  const double = trouble.of(async (n: number) => n * 2)
  const counter = trouble.of(new Counter())
  trouble.refuse()
  await t.rejects(double(2))
  await t.rejects(counter.now() as unknown as Promise<number>)
  t.equal(await counter.add(1), 1)
  trouble.heal()
  t.equal(await double(2), 4)
})

t.test('the next call can be waited for', async t => {
  const trouble = new Trouble()
  const counter = trouble.of(new Counter())
  const [next, add] = [trouble.nextCall(), trouble.nextCall('add')]
  counter.now()
  await counter.add(3)
  t.same(await next, { method: 'now', args: [] })
  t.same(await add, { method: 'add', args: [3] })
  await t.rejects(trouble.nextCall('fail', 1), { code: 'WSA_TESTING_ERR_TIMEOUT', message: 'A call of fail has not come within 1 ms. What has come: now, add' })
  await t.rejects(trouble.nextCall(undefined, 1), { message: /^A call of any method/ })
})

t.test('a store of tickets that is away, and one that answers after the deadline', async t => {
  const clock = runningClock(t)
  const trouble = new Trouble()
  const server = await testServer(await build({ ticket: { store: trouble.of(new MemoryStore()) } }), { t })
  const alice = server.device('alice')
  trouble.refuse({ only: ['put'] })
  await t.rejects(alice.ticket(), { code: 'WSA_TESTING_ERR_REFUSED', message: /HTTP 503 WSA_TICKET_ERR_UNAVAILABLE/ })
  trouble.heal()
  const { ticket } = await alice.ticket()
  trouble.answerLate({ only: ['take'] })
  const taken = trouble.nextCall('take')
  const refused = alice.refused('/ws', { ticket })
  await taken
  clock.forward(60_000)
  t.match(await refused, { status: 503 })
  trouble.heal()
  t.match(await alice.refused('/ws', { ticket }), { status: 401 }, 'it was taken all the same')
  await alice.open()
})
