// Nothing is lost in silence when the link breaks, whatever byte it breaks at. `AIRLOCK_LINKS=real` has ten times as much.
import { until } from '@fastify-airlock/testing'
import t from 'tap'
import { dial, serve } from './peers.js'

const KIB = 1024
const OUTAGES = 10
const EACH = process.env.AIRLOCK_LINKS === 'real' ? 10_000 : 1_000
const SEED = 20_261

/** Random numbers that are the same in each run (a linear congruential generator, with the numbers of C). */
function seeded (seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    return seed / 0x80000000
  }
}

for (const paced of [false, true]) {
  t.test(`ten outages at random bytes, ${paced ? 'with a limit that the client keeps to' : 'without a limit'}`, async t => {
    const random = seeded(SEED)
    /** What each socket has brought. */
    const arrived: number[][] = []
    let last = -1
    const server = await serve(t, {
      hub: paced ? { messageRate: { perSecond: 10 * EACH, burst: EACH }, onRate: 'pause' } : { messageRate: false },
      handler: socket => {
        const got: number[] = []
        arrived.push(got)
        socket.on('message', data => {
          last = Number(String(data).slice(1, 8))
          got.push(last)
          socket.send(String(last))
        })
      }
    })
    const { relay } = server
    /** The next cut: up, in the upgrade or anywhere in the messages; or down, in the 101, `auth_ok` or the answers. */
    const cut = (): void => {
      relay.up.cutAt = relay.down.cutAt = Infinity
      if (random() < 0.3) relay.down.cutAt = 1 + Math.floor(random() * 2 * KIB)
      else relay.up.cutAt = 1 + Math.floor(random() * EACH * KIB)
    }
    cut()
    const { connection } = dial(t, server, {
      queue: { messages: OUTAGES * EACH + EACH, bytes: (OUTAGES + 1) * EACH * 1_026 },
      reconnect: { min: 1, max: 20 }
    })
    let sent = 0
    const sendMore = (): void => {
      for (let n = 0; n < EACH; n++) connection.send(`${sent++}`.padStart(7, '0').padEnd(KIB - 2))
    }
    /** What the event said of each socket that has broken. */
    const told: number[] = []
    let uncertain = 0
    connection.on('uncertain', ({ count }) => { uncertain += count })
    connection.on('waiting', () => {
      told.push(uncertain)
      uncertain = 0
      if (told.length < OUTAGES) cut()
      else relay.up.cutAt = relay.down.cutAt = Infinity
      if (told.length <= OUTAGES) sendMore()
    })
    sendMore()
    // A machine that stalls may add one of its own.
    await until(() => told.length >= OUTAGES)
    await until(() => last === sent - 1)

    t.equal(sent, (OUTAGES + 1) * EACH)
    t.ok(told.some(count => count > 0), `told: ${told}`)
    const final = arrived.at(-1) as number[]
    const toldAll = told.reduce((sum, count) => sum + count, 0)
    t.equal(sent, toldAll + final.length, 'each message arrived by the last socket, or was told')
    t.strictSame(final, Array.from({ length: sent - toldAll }, (_, n) => toldAll + n), 'all that waited, once and in order')

    // A socket that broke brought the beginning of what it had taken, and nothing else.
    const spans = new Map<number, number>()
    let start = 0
    for (const count of told) {
      if (count > 0) spans.set(start, count)
      start += count
    }
    for (const got of arrived.slice(0, -1)) {
      if (got.length === 0) continue
      const first = got[0] as number
      t.strictSame(got, Array.from(got, (_, n) => first + n))
      t.ok(got.length <= (spans.get(first) ?? 0), `${got.length} of ${spans.get(first)}`)
      t.ok(spans.delete(first), 'no two sockets brought the same')
    }
  })
}
