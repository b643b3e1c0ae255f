import { testHubBus } from '@fastify-airlock/hub/contract'
import t from 'tap'
import { TestBus, type BusLink } from '../src/index.js'

/** All that the hub needs of a bus. */
let current: TestBus
testHubBus(t, {
  create: ({ interrupted }) => {
    const bus = new TestBus()
    if (interrupted) current = bus
    return () => bus.connect()
  },
  interruption: { lose: async () => { current.cut() }, regain: async () => { current.mend() } }
})

/** Two nodes, and what the second one hears. */
async function pair () {
  const bus = new TestBus()
  const [a, b] = [bus.connect(), bus.connect()]
  const heard: unknown[] = []
  await new Promise<void>(resolve => {
    b.on('x/#', (message, done) => {
      heard.push(message.n)
      done()
    }, resolve)
  })
  const emit = async (n: number, link: BusLink = a): Promise<string> => await new Promise(resolve => {
    link.emit({ topic: 'x', n }, error => resolve(error?.message ?? 'taken'))
  })
  return { bus, a, b, heard, emit }
}

t.test('nodes share no memory', async t => {
  const { bus, a, b } = await pair()
  const payload = Buffer.from('abc')
  const message = new Promise<{ payload: Uint8Array }>(resolve => {
    b.on('y', (message, done) => {
      resolve(message)
      done()
    })
  })
  a.emit({ topic: 'y', payload })
  payload.fill(0)
  t.same(Buffer.from((await message).payload), Buffer.from('abc'))
  t.equal(bus.sent, 1)
})

t.test('it cuts nodes off, aloud or silently, and mends them', async t => {
  const { bus, a, b, heard, emit } = await pair()
  const told: string[] = []
  a.watch(state => told.push(state))
  bus.cut(a)
  t.match(await emit(1), /cut this node off/)
  t.equal(await emit(2, b), 'taken', 'the other one is not')
  await bus.settled()
  bus.mend(a)
  bus.mend(a)
  t.same(told, ['lost', 'back'])
  bus.cut(b, { silent: true })
  let confirmed = false
  b.on('z', () => {}, () => { confirmed = true })
  t.equal(await emit(3), 'taken')
  await bus.settled()
  t.same(heard, [2])
  t.equal(bus.lost, 2, 'one for each')
  t.notOk(confirmed, 'nobody can confirm')
  bus.mend()
  t.ok(confirmed)
  await emit(4)
  await bus.settled()
  t.same(heard, [2, 4])
})

t.test('it refuses, loses, repeats and holds back', async t => {
  const { bus, heard, emit } = await pair()
  bus.refuse()
  t.match(await emit(1), /refuse/)
  bus.accept()
  bus.lose(1)
  t.equal(await emit(2), 'taken')
  await emit(3)
  await bus.settled()
  t.same(heard, [3])
  t.equal(bus.lost, 2)
  bus.repeat(2)
  await emit(4)
  await bus.settled()
  t.same(heard, [3, 4, 4])
  bus.repeat(1)
  const fifth = emit(5)
  bus.hold()
  await Promise.all([fifth, emit(6)])
  await bus.settled()
  t.same(heard, [3, 4, 4])
  bus.release()
  await bus.settled()
  t.same(heard, [3, 4, 4, 5, 6])
  bus.refuse()
  bus.lose()
  bus.cut()
  bus.heal()
  await emit(7)
  await bus.settled()
  t.equal(heard.at(-1), 7)
})

t.test('a subscription ends', async t => {
  const { bus, a, b } = await pair()
  const heard: unknown[] = []
  const listener = (message: unknown, done: () => void): void => {
    heard.push(message)
    done()
  }
  b.on('y', listener)
  await new Promise<void>(resolve => b.removeListener('y', listener, resolve))
  a.emit({ topic: 'y' })
  await bus.settled()
  t.same(heard, [])
})
