import type { HubBus } from '@fastify-airlock/hub'
import { Denylist, type Revocation } from './denylist.js'

/** The topic on the bus; those of the hub begin with `airlock/`. */
export const DENYLIST_TOPIC = 'demo/denylist'

/** Time between two tellings of the latest, in milliseconds. */
const PERIOD_MS = 10_000

/** How many those are: what gets lost on a bus that is up, and without anybody noticing, is little. */
const LATEST = 1_000

/** Settings of a {@link SharedDenylist}. */
export interface SharedDenylistSettings {
  bus: HubBus
  /** Whether it is worth telling the bus anything. */
  isUp: () => boolean
  /**
   * Time between two tellings of the latest, in milliseconds.
   * @default 10000
   */
  period?: number
}

/**
 * A denylist that the nodes of a bus have in common. What is revoked here is told to the others at once, and the latest
 * of it again now and then. A node that starts, or was cut off, tells and asks for everything. Nothing is ever taken
 * back, so the order of all this does not matter.
 */
export class SharedDenylist extends Denylist {
  readonly #bus: HubBus
  readonly #isUp: () => boolean
  readonly #timer: NodeJS.Timeout

  constructor ({ bus, isUp, period = PERIOD_MS }: SharedDenylistSettings) {
    super()
    this.#bus = bus
    this.#isUp = isUp
    bus.on(DENYLIST_TOPIC, this.#listener, () => this.#tell(this.revocations, true))
    let wasUp = true
    this.#timer = setInterval(() => {
      const up = isUp()
      if (up && !wasUp) this.#tell(this.revocations, true)
      else if (up && this.size > 0) this.#tell(this.revocations.slice(-LATEST))
      wasUp = up
    }, period).unref()
  }

  override add (claims: object, until: number): Revocation {
    const revocation = super.add(claims, until)
    if (this.#isUp()) this.#tell([revocation])
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
    if (message.ask === true && this.size > 0) this.#tell(this.revocations)
    done()
  }

  #tell (revocations: Revocation[], ask = false): void {
    // What gets lost is told again.
    this.#bus.emit({ topic: DENYLIST_TOPIC, revocations, ask }, () => {})
  }
}

function isRevocation (value: unknown): value is Revocation {
  const { key, until } = (value ?? {}) as Partial<Revocation>
  return typeof key === 'string' && typeof until === 'number' && Number.isFinite(until)
}
