/** Listeners by the name of their event. */
export interface Emitter<Events> {
  /** Adds a listener. The same function may be added twice. @returns a function that removes it */
  on<Name extends keyof Events> (name: Name, listener: (event: Events[Name]) => void): () => void
  /**
   * Calls the listeners in the order in which they were added. When one throws, the others are called all the same, and
   * its error is reported as uncaught, as the platform does with its own listeners.
   */
  emit<Name extends keyof Events> (name: Name, event: Events[Name]): void
  /** Removes all listeners, even from the event that is being emitted. */
  clear (): void
}

/** Creates an emitter without listeners. */
export function createEmitter<Events> (): Emitter<Events> {
  const entries = new Set<readonly [name: keyof Events, listener: (event: any) => void]>()
  return {
    on (...entry) {
      entries.add(entry)
      return () => { entries.delete(entry) }
    },
    clear () { entries.clear() },
    emit (name, event) {
      // A copy: a listener that is added now hears the next event, not this one.
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
