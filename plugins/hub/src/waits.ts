/** What is waited for at a hub. When the server closes nobody waits any more: the answers may never come. */
export class Waits {
  readonly #ends = new Set<() => void>()
  #over = false

  /** Whether the server closes, or has closed. */
  get over (): boolean {
    return this.#over
  }

  /**
   * Resolves when a promise has settled, after `timeout` milliseconds if there is one, or at {@link end}.
   */
  async until (settled: Promise<unknown>, timeout?: number): Promise<void> {
    if (this.#over) return
    await new Promise<void>(resolve => {
      const end = (): void => {
        clearTimeout(timer)
        this.#ends.delete(end)
        resolve()
      }
      const timer = timeout === undefined ? undefined : setTimeout(end, timeout)
      this.#ends.add(end)
      settled.then(end, end)
    })
  }

  /** Ends all waiting, from now on as well. */
  end (): void {
    this.#over = true
    for (const end of this.#ends) end()
  }
}
