/** A page that was hidden for longer may have slept, and lost its socket without noticing. In milliseconds. */
const LONG_HIDDEN_MS = 60_000

/**
 * Calls back when the network returns and when the page becomes visible. Without a page, as in Node, it does nothing.
 *
 * @param awake told whether a socket that seems open may be dead
 * @returns a function that ends it
 */
export function onWake (awake: (mayBeDead: boolean) => void): () => void {
  const { document } = globalThis
  let hiddenAt = Infinity
  const online = (): void => { awake(true) }
  const visibilityChanged = (): void => {
    // Not the clock of `performance`, which may stand still while the machine sleeps.
    if (document.hidden) hiddenAt = Date.now()
    else awake(Date.now() - hiddenAt > LONG_HIDDEN_MS)
  }
  const change = (method: 'addEventListener' | 'removeEventListener'): void => {
    globalThis[method]?.('online', online)
    document?.[method]('visibilitychange', visibilityChanged)
  }
  change('addEventListener')
  // Not by an AbortSignal: in tests, the document may come from another implementation than the signal.
  return () => { change('removeEventListener') }
}
