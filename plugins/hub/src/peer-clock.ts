/** By how much another clock may run faster or slower than this one: a thousandth. */
const DRIFT = 1 / 1_000

/**
 * Translates the monotonic clock of another node into that of this one. A message tells what the other clock shows when it
 * is sent, and takes its time to arrive: of all messages, the one with the least delay knows best. Clocks of the day are
 * not asked, since those of two machines may differ by any time.
 */
export class PeerClock {
  #offset = Infinity
  #at = 0

  /**
   * Takes the time that a message carries.
   *
   * @param time the other clock, when the message was sent, in milliseconds
   * @param now this clock, when it has arrived
   * @returns for how long the message was on its way, as far as is known
   */
  observe (time: number, now: number): number {
    const offset = now - time
    this.#offset = Math.min(offset, this.#offset + (now - this.#at) * DRIFT)
    this.#at = now
    return offset - this.#offset
  }

  /**
   * Takes the time of an answer. The other clock has shown it after the question was asked. What contradicts that is
   * forgotten: the other clock stood still, as that of a machine that was paused.
   *
   * @param asked this clock, when the question was asked
   */
  correct (time: number, asked: number, now: number): void {
    if (asked - time > this.#offset) this.#offset = now - time
  }

  /** What this clock showed when the other one showed `time`. */
  translate (time: number): number {
    return time + this.#offset
  }
}
