import type { HubBus } from '@fastify-airlock/hub'
import { Denylist, type Revocation } from './denylist.js'

/** The topic on the bus; the hub's own topics begin with `airlock/`. */
export const DENYLIST_TOPIC = 'demo/denylist'

/** Time between two repetitions of the latest revocations, in milliseconds. */
const PERIOD_MS = 10_000

/** How many revocations are repeated. A bus that is up loses few messages without anybody noticing. */
const LATEST = 1_000

/** Options of a {@link SharedDenylist}. */
export interface SharedDenylistOptions {
  bus: HubBus
  /** Whether the bus delivers messages at the moment. */
  isUp: () => boolean
  /**
   * Time between two repetitions of the latest revocations, in milliseconds.
   * @default 10000
   */
  period?: number
}

/**
 * A denylist that the nodes of a bus share. A node publishes each revocation at once, and repeats the latest ones
 * periodically. A node that starts, or was cut off, publishes all of its own and asks for those of the others. No
 * revocation is ever taken back, so the order of messages does not matter.
 */
export class SharedDenylist extends Denylist {
  readonly #bus: HubBus
  readonly #isUp: () => boolean
  readonly #timer: NodeJS.Timeout

  constructor ({ bus, isUp, period = PERIOD_MS }: SharedDenylistOptions) {
    super()
    this.#bus = bus
    this.#isUp = isUp
    bus.on(DENYLIST_TOPIC, this.#listener, () => this.#publish(this.revocations, true))
    let wasUp = true
    this.#timer = setInterval(() => {
      const up = isUp()
      if (up && !wasUp) this.#publish(this.revocations, true)
      else if (up && this.size > 0) this.#publish(this.revocations.slice(-LATEST))
      wasUp = up
    }, period).unref()
  }

  override add (claims: object, until: number): Revocation {
    const revocation = super.add(claims, until)
    if (this.#isUp()) this.#publish([revocation])
    return revocation
  }

  override addUser (subject: string, until: number, now?: number): Revocation {
    const revocation = super.addUser(subject, until, now)
    if (this.#isUp()) this.#publish([revocation])
    return revocation
  }

  override close (): void {
    clearInterval(this.#timer)
    this.#bus.removeListener(DENYLIST_TOPIC, this.#listener)
    super.close()
  }

  readonly #listener = (message: { revocations?: unknown, ask?: unknown }, done: () => void): void => {
    if (Array.isArray(message.revocations)) {
      for (const revocation of message.revocations) {
        if (isRevocation(revocation)) this.merge(revocation)
      }
    }
    if (message.ask === true && this.size > 0) this.#publish(this.revocations)
    done()
  }

  #publish (revocations: Revocation[], ask = false): void {
    // A failure needs no handling: what gets lost is published again.
    this.#bus.emit({ topic: DENYLIST_TOPIC, revocations, ask }, () => {})
  }
}

function isRevocation (value: unknown): value is Revocation {
  const { key, until } = (value ?? {}) as Partial<Revocation>
  return typeof key === 'string' && typeof until === 'number' && Number.isFinite(until)
}
