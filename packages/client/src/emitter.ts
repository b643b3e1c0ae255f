/** Listeners by the name of their event. */
export interface Emitter<Events> {
  /** Listens; the same function may listen twice. @returns a function that ends it */
  on<Name extends keyof Events> (name: Name, listener: (event: Events[Name]) => void): () => void
  /**
   * Calls the listeners in the order in which they came. One that throws keeps none of the others from being called;
   * what it threw is reported as an uncaught error, as the platform does with listeners of its own.
   */
  emit<Name extends keyof Events> (name: Name, event: Events[Name]): void
}

/** @returns an emitter without listeners */
export function createEmitter<Events> (): Emitter<Events> {
  const entries = new Set<{ name: keyof Events, listener: (event: any) => void }>()
  return {
    on (name, listener) {
      const entry = { name, listener }
      entries.add(entry)
      return () => { entries.delete(entry) }
    },
    emit (name, event) {
      // A copy: what a listener adds hears the next event, and not this one.
      for (const entry of [...entries]) {
        if (entry.name !== name || !entries.has(entry)) continue
        try {
          entry.listener(event)
        } catch (error) {
          queueMicrotask(() => { throw error })
        }
      }
    }
  }
}
