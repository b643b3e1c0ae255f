/** A value that React components read with `useSyncExternalStore`, and that anything else may set. */
export class Store<T> {
  #value: T
  readonly #listeners = new Set<() => void>()

  constructor (value: T) {
    this.#value = value
  }

  /** The value now. The same object until it is set again. */
  readonly get = (): T => this.#value

  /** Hears of each change. @returns a function that ends it */
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
