/** Listeners by the name of their event. */
export interface Emitter<Events> {
  /** Listens; the same function may listen twice. @returns a function that ends it */
  on<Name extends keyof Events> (name: Name, listener: (event: Events[Name]) => void): () => void
  /**
   * Calls the listeners in the order in which they came. One that throws keeps none of the others from being called;
   * what it threw is reported as an uncaught error, as the platform does with listeners of its own.
   */
  emit<Name extends keyof Events> (name: Name, event: Events[Name]): void
  /** Ends all listening: nobody hears of anything any more, not even of what is being told right now. */
  clear (): void
}

/** @returns an emitter without listeners */
export function createEmitter<Events> (): Emitter<Events> {
  const entries = new Set<readonly [name: keyof Events, listener: (event: any) => void]>()
  return {
    on (...entry) {
      entries.add(entry)
      return () => { entries.delete(entry) }
    },
    clear () { entries.clear() },
    emit (name, event) {
      // A copy: what a listener adds hears the next event, and not this one.
      for (const entry of [...entries]) {
        try {
          if (entry[0] === name && entries.has(entry)) entry[1](event)
        } catch (error) {
          queueMicrotask(() => { throw error })
        }
      }
    }
  }
}
