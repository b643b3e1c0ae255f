/** A value that React components read with `useSyncExternalStore`, and that any code may set. */
export class Store<T> {
  #value: T
  readonly #listeners = new Set<() => void>()

  constructor (value: T) {
    this.#value = value
  }

  /** Returns the current value: the same object until it is set again. */
  readonly get = (): T => this.#value

  /** Calls the listener at each change. @returns a function that ends it */
  readonly subscribe = (listener: () => void): () => void => {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  set (value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of this.#listeners) listener()
  }
}
