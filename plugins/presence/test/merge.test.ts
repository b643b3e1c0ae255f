import fc from 'fast-check'
import t from 'tap'
import type { TopicMember } from '@fastify-airlock/core'
import { combine, type NodeEntry } from '../src/entry.js'
import { Own } from '../src/own.js'
import { Peers } from '../src/peers.js'
import { createStats } from '../src/stats.js'

/** Connections, users and topics of the world. */
const KEYS = [{}, {}, {}] as TopicMember[]
const SUBJECTS = ['alice', 'bob', 'carol']
const TOPICS = ['', 'room']

interface Message {
  from: string
  to: string
  data: unknown
}

/** What a node is at a time: all that one process has. */
interface Node {
  id: string
  own: Own
  peers: Peers
  /** By connection and topic: whose it is. */
  seats: Map<string, string>
  /** The other nodes that it believes to be here. */
  here: Set<string>
  hear: (from: string, data: unknown) => void
  notice: (id: string, state: 'here' | 'gone') => void
}

/** Nodes on a bus that loses, doubles, delays and reorders, and may be cut. */
class World {
  readonly nodes = new Map<string, Node>()
  readonly dead = new Set<string>()
  queue: Message[] = []
  /** The part of each node; nodes in different parts do not reach each other. */
  readonly parts = new Map<string, number>()
  now = 0
  #starts = 0
  #state = 0

  start (id: string, startedAt: number): void {
    this.stop(id)
    let hear: Node['hear'] = () => {}
    let notice: Node['notice'] = () => {}
    const own = new Own({ grace: 0, now: () => this.now, onChange: (topic, subject) => peers.mark(topic, subject) })
    const peers = new Peers({
      cluster: {
        node: id,
        tell: (_, data, { to }) => {
          const all = to === 'others' ? [...this.nodes.keys()] : [to]
          for (const other of all) if (other !== id) this.queue.push({ from: id, to: other, data: JSON.parse(JSON.stringify(data)) })
        },
        on: (_, listener) => { hear = (node, data) => { listener(data, { node, own: false }) }; return () => {} },
        onNodes: listener => { notice = (id, state) => { listener({ id, state }) }; return () => {} }
      },
      grace: 0,
      now: () => this.now,
      syncInterval: 2 ** 31 - 1,
      // No two lives are the same: by a random part, where the clock says the same.
      startedAt: startedAt + this.#starts / 1_000,
      stats: createStats(),
      log: { error: (details: object) => { throw new Error(JSON.stringify(details)) } },
      own: own.topics,
      isState: () => true,
      saw: at => { this.#state = Math.max(this.#state, at) },
      onChange: () => {}
    })
    this.nodes.set(id, { id, own, peers, seats: new Map(), here: new Set(), hear, notice })
    this.dead.delete(id)
    this.#starts++
  }

  /** It dies without a word. */
  stop (id: string): void {
    const node = this.nodes.get(id)
    if (node === undefined) return
    this.nodes.delete(id)
    this.dead.add(id)
    const before = [...this.queue]
    node.peers.close()
    this.queue = before
    node.own.close()
  }

  /** A connection is in a topic, or is not any more. */
  toggle (id: string, key: number, topic: string, subject: string): void {
    const { own, seats } = this.nodes.get(id) as Node
    const seat = `${key} ${topic}`
    const before = seats.get(seat)
    if (before !== undefined) {
      seats.delete(seat)
      own.leave(KEYS[key] as TopicMember, topic, before, true)
    } else {
      seats.set(seat, subject)
      own.join(KEYS[key] as TopicMember, topic, subject, undefined)
    }
  }

  set (id: string, key: number, topic: string, value: number): void {
    const { own, seats } = this.nodes.get(id) as Node
    const subject = seats.get(`${key} ${topic}`)
    if (subject !== undefined) own.set(KEYS[key] as TopicMember, topic, subject, value === 0 ? undefined : { at: ++this.#state, value })
  }

  /** Delivers a message, or does something worse with it. */
  deliver (index: number, fate: 'once' | 'twice' | 'never'): void {
    if (this.queue.length === 0) return
    const [message] = this.queue.splice(index % this.queue.length, 1) as [Message]
    if (fate === 'never' || this.parts.get(message.from) !== this.parts.get(message.to)) return
    if (fate === 'twice') this.queue.push(message)
    this.nodes.get(message.to)?.hear(message.from, message.data)
  }

  notice (id: string, other: string, state: 'here' | 'gone'): void {
    const node = this.nodes.get(id) as Node
    if (node.here.has(other) === (state === 'here')) return
    if (state === 'here') node.here.add(other)
    else node.here.delete(other)
    node.notice(other, state)
  }

  /** All reach each other again, and nothing is lost any more. */
  heal (): void {
    this.parts.clear()
    for (const id of this.nodes.keys()) {
      for (const other of this.dead) {
        this.notice(id, other, 'here')
        this.notice(id, other, 'gone')
      }
      for (const other of this.nodes.keys()) if (other !== id) this.notice(id, other, 'here')
    }
    for (let round = 0; round < 6; round++) {
      for (const { peers } of this.nodes.values()) {
        peers.flush()
        peers.beat()
      }
      for (let n = 0; this.queue.length > 0; n++) {
        if (n > 100_000) throw new Error('they never stop')
        this.deliver(0, 'once')
      }
      this.now += 1_000
    }
  }

  /** Who is where, as a node sees it. */
  picture (id: string): unknown {
    const { own, peers } = this.nodes.get(id) as Node
    return TOPICS.map(topic => SUBJECTS.map(subject => {
      const place = own.find(topic, subject)
      const entries: NodeEntry[] = [...peers.entries(topic, subject)]
      if (place !== undefined) entries.push({ node: id, connections: place.connections, state: place.state })
      return combine(subject, entries) ?? null
    }))
  }

  /** Who is where. */
  truth (): unknown {
    return TOPICS.map(topic => SUBJECTS.map(subject => combine(subject, [...this.nodes.values()].flatMap(({ id, own }) => {
      const place = own.find(topic, subject)
      return place === undefined ? [] : [{ node: id, connections: place.connections, state: place.state }]
    })) ?? null))
  }

  close (): void {
    for (const id of [...this.nodes.keys()]) this.stop(id)
  }
}

const node = fc.nat(3)
const steps = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('toggle' as const), node, key: fc.nat(2), topic: fc.constantFrom(...TOPICS), subject: fc.constantFrom(...SUBJECTS) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('set' as const), node, key: fc.nat(2), topic: fc.constantFrom(...TOPICS), value: fc.nat(3) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('flush' as const), node }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('beat' as const), node }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('deliver' as const), index: fc.nat(20), fate: fc.constantFrom('once' as const, 'once' as const, 'twice' as const, 'never' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('part' as const), node, part: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('notice' as const), node, other: node, state: fc.constantFrom('here' as const, 'gone' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), node, isNew: fc.boolean(), startedAt: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(1_500) }) }
)

t.test('whatever happens on the way, all nodes end with the same picture', async t => {
  fc.assert(fc.property(fc.array(steps, { maxLength: 80 }), all => {
    const world = new World()
    const ids = ['a', 'b', 'c', 'd']
    try {
      for (const id of ids) world.start(id, 3)
      for (const step of all) {
        const id = 'node' in step ? ids[step.node] as string : ''
        switch (step.do) {
          case 'toggle': world.toggle(id, step.key, step.topic, step.subject); break
          case 'set': world.set(id, step.key, step.topic, step.value); break
          case 'flush': world.nodes.get(id)?.peers.flush(); break
          case 'beat': world.nodes.get(id)?.peers.beat(); break
          case 'deliver': world.deliver(step.index, step.fate); break
          case 'part': world.parts.set(id, step.part); break
          case 'notice': if (ids[step.other] !== id) world.notice(id, ids[step.other] as string, step.state); break
          case 'pass': world.now += step.ms; break
          case 'restart': {
            world.stop(id)
            if (step.isNew) ids[step.node] = `${id}'`
            world.start(ids[step.node] as string, step.startedAt)
          }
        }
      }
      world.heal()
      for (const id of ids) {
        const [found, wanted] = [JSON.stringify(world.picture(id)), JSON.stringify(world.truth())]
        if (found !== wanted) throw new Error(`${id} sees ${found}, not ${wanted}`)
      }
    } finally {
      world.close()
    }
  }), { numRuns: Number(process.env.RUNS ?? 500) })
})
