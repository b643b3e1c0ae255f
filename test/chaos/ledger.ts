/** Where a publication stands, as a client or a publisher is told. */
export interface Position { readonly epoch: string, readonly offset: number }

/** A publication, before and after it was acknowledged. */
export interface Publication {
  readonly topic: string
  readonly publisher: string
  /** Grows with each publication of the publisher. */
  readonly number: number
  /** Its place among everything that was noted. */
  readonly asked: number
  acknowledged: boolean
  /** `undefined` without an acknowledgement, and in the run without the plugin. */
  position?: Position | undefined
}

/** What was told to be missing: everything after `from` up to `to`. */
interface Gap { from: Position | undefined, to: Position | undefined }

/** What a run has come to. */
export interface Account {
  acknowledged: number
  /** Publications that nobody has acknowledged, and that were published all the same. */
  unacknowledged: number
  /** Acknowledged publications times those who had subscribed before. */
  owed: number
  received: number
  /** Owed, not received, and nobody was told. */
  lost: number
  /** Owed, not received, and told. */
  told: number
  doubled: number
  disordered: number
  gaps: number
  resumed: number
}

/** One subscriber of one topic. */
export class Listener {
  readonly topic: string
  readonly name: string
  /** When it had subscribed, as {@link Publication.asked}; `undefined` until then. */
  begun: number | undefined
  last: Position | undefined
  resumed = 0
  readonly gaps: Gap[] = []
  /** How often it has got each. */
  readonly got = new Map<string, number>()
  readonly #ledger: Ledger

  constructor (ledger: Ledger, topic: string, name: string) {
    this.#ledger = ledger
    this.topic = topic
    this.name = name
  }

  /** The subscription holds: for the first time, again, or with a gap. */
  subscribed (position: Position | undefined, recovered: boolean | undefined): void {
    if (this.begun === undefined) {
      this.begun = this.#ledger.tick()
      this.last = position
    } else if (recovered === true) {
      this.resumed++
    } else {
      this.#ledger.gap(this, position)
      this.gaps.push({ from: this.last, to: position })
      this.last = position
    }
  }

  /** A message has come. @param id that of its publication */
  message (id: string, position: Position | undefined): void {
    this.got.set(id, (this.got.get(id) ?? 0) + 1)
    if (position === undefined) return
    this.#ledger.seen(this.topic, id, position)
    const { last } = this
    if (last !== undefined && position.epoch !== last.epoch) this.#ledger.violation(`${this.name} got ${text(position)} of ${this.topic} after ${text(last)}, and was told of no gap`)
    else if (last !== undefined && position.offset <= last.offset) this.#ledger.disorder(`${this.name} got ${text(position)} of ${this.topic} after ${text(last)}`)
    else if (last !== undefined && position.offset > last.offset + 1) this.#ledger.violation(`${this.name} got ${text(position)} of ${this.topic} after ${text(last)}, and was told of no gap`)
    this.last = position
  }

  /** Whether it was told that it misses what stands at a position. */
  wasTold (position: Position): boolean {
    return this.gaps.some(({ from, to }) => {
      const after = from === undefined || from.epoch !== position.epoch || position.offset > from.offset
      const before = to === undefined || to.epoch !== position.epoch || position.offset <= to.offset
      return after && before
    })
  }
}

/**
 * Who has published what, and who has got what. It trusts nobody: what each listener is owed follows from when it had
 * subscribed and when a publication was asked for, by the one order in which everything is noted here.
 */
export class Ledger {
  /** What must not be: sentences for a person. Only the first of many. */
  readonly violations: string[] = []
  readonly listeners: Listener[] = []
  readonly #publications = new Map<string, Publication>()
  /** By topic, epoch and offset. */
  readonly #seen = new Map<string, string>()
  readonly #places = new Map<string, string>()
  /** The highest offset that was told, by topic and epoch. */
  readonly #last = new Map<string, number>()
  readonly #sizeOf: (topic: string) => number
  #tick = 0
  #disordered = 0

  /** @param sizeOf how many publications a topic keeps */
  constructor (sizeOf: (topic: string) => number) {
    this.#sizeOf = sizeOf
  }

  tick (): number {
    return ++this.#tick
  }

  violation (what: string): void {
    if (this.violations.length < 50) this.violations.push(what)
  }

  /** Something came twice, or after what follows it. */
  disorder (what: string): void {
    this.#disordered++
    this.violation(what)
  }

  /** @returns its id */
  ask (topic: string, publisher: string, number: number): string {
    const id = `${publisher}:${number}`
    this.#publications.set(id, { topic, publisher, number, asked: this.tick(), acknowledged: false })
    return id
  }

  acknowledge (id: string, position: Position | undefined): void {
    const publication = this.#publications.get(id) as Publication
    publication.acknowledged = true
    publication.position = position
    if (position !== undefined) this.seen(publication.topic, id, position)
  }

  listen (topic: string, name: string): Listener {
    const listener = new Listener(this, topic, name)
    this.listeners.push(listener)
    return listener
  }

  /** A publication stands at a position, as somebody was told: there alone, and it alone. */
  seen (topic: string, id: string, position: Position): void {
    const place = `${topic} ${text(position)}`
    const there = this.#seen.get(place) ?? id
    if (there !== id) this.violation(`${there} and ${id} stand both at ${place}`)
    this.#seen.set(place, id)
    const before = this.#places.get(id) ?? place
    if (before !== place) this.violation(`${id} stands at ${before} and at ${place}`)
    this.#places.set(id, place)
    const log = `${topic} ${position.epoch}`
    this.#last.set(log, Math.max(this.#last.get(log) ?? 0, position.offset))
  }

  /** Somebody was told of a gap, which is right only where the first that it missed could not be kept any more. */
  gap ({ topic, name, last }: Listener, to: Position | undefined): void {
    const size = this.#sizeOf(topic)
    if (last !== undefined && to !== undefined && last.epoch === to.epoch && this.#highest(topic, to) - size > last.offset) return
    this.violation(`${name} was told of a gap in ${topic}, from ${text(last)} to ${text(to)}, where ${size} are kept`)
  }

  /** The highest offset that a topic can have by now: the store may have taken what nobody has heard of. */
  #highest (topic: string, { epoch, offset }: Position): number {
    const isUnheard = ([id, publication]: [string, Publication]): boolean => publication.topic === topic && !this.#places.has(id)
    return Math.max(offset, this.#last.get(`${topic} ${epoch}`) ?? 0) + [...this.#publications].filter(isUnheard).length
  }

  /** The last position of each topic that anybody was told. */
  heads (): Map<string, Position> {
    const heads = new Map<string, Position>()
    for (const { topic, position } of this.#publications.values()) {
      if (position !== undefined && position.offset > (heads.get(topic)?.offset ?? 0)) heads.set(topic, position)
    }
    return heads
  }

  /** Adds up, once nothing is on its way any more. */
  account (): Account {
    this.#checkOrder()
    const account: Account = { acknowledged: 0, unacknowledged: 0, owed: 0, received: 0, lost: 0, told: 0, doubled: 0, disordered: this.#disordered, gaps: 0, resumed: 0 }
    const listeners = groups(this.listeners)
    for (const listener of this.listeners) {
      account.gaps += listener.gaps.length
      account.resumed += listener.resumed
      for (const [id, times] of listener.got) {
        account.received += times
        if (times === 1) continue
        account.doubled += times - 1
        this.violation(`${listener.name} got ${id} ${times} times`)
      }
    }
    for (const [id, { topic, acknowledged, position, asked }] of this.#publications) {
      if (!acknowledged) {
        if (this.#places.has(id)) account.unacknowledged++
        continue
      }
      account.acknowledged++
      for (const listener of listeners.get(topic) ?? []) {
        if (listener.begun === undefined || listener.begun > asked) continue
        account.owed++
        if (listener.got.has(id)) continue
        if (position !== undefined && listener.wasTold(position)) {
          account.told++
        } else {
          account.lost++
          this.violation(`${listener.name} has not got ${id} of ${topic}, ${text(position)}, and was told of no gap`)
        }
      }
    }
    return account
  }

  /** What one publisher has published one after the other stands in that order. */
  #checkOrder (): void {
    const last = new Map<string, Publication>()
    for (const publication of this.#publications.values()) {
      const { topic, publisher, position, number } = publication
      if (position === undefined) continue
      const key = `${publisher} ${topic}`
      const before = last.get(key)?.position
      if (before !== undefined && before.epoch === position.epoch && before.offset >= position.offset) {
        this.disorder(`${publisher}:${number} of ${topic} stands at ${text(position)}, and the one before at ${text(before)}`)
      }
      last.set(key, publication)
    }
  }
}

function groups (listeners: readonly Listener[]): Map<string, Listener[]> {
  const result = new Map<string, Listener[]>()
  for (const listener of listeners) {
    const group = result.get(listener.topic)
    if (group === undefined) result.set(listener.topic, [listener])
    else group.push(listener)
  }
  return result
}

function text (position: Position | undefined): string {
  return position === undefined ? 'nowhere' : `${position.epoch}/${position.offset}`
}
