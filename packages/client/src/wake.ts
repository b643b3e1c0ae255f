/**
 * Calls back when the network returns and when the page becomes visible. Without a page, as in Node, it does nothing.
 *
 * @param awake told for how long the page was hidden, in milliseconds; `Infinity` for the network
 * @returns a function that ends it
 */
export function onWake (awake: (away: number) => void): () => void {
  // A page that opens hidden counts as hidden for long.
  let hiddenAt = 0
  const online = (): void => { awake(Infinity) }
  const visibilityChanged = (): void => {
    // Not the clock of `performance`, which may stand still while the machine sleeps.
    if (document.hidden) hiddenAt = Date.now()
    else awake(Date.now() - hiddenAt)
  }
  const change = (method: 'addEventListener' | 'removeEventListener'): void => {
    globalThis[method]?.('online', online)
    globalThis.document?.[method]('visibilitychange', visibilityChanged)
  }
  change('addEventListener')
  // Not by an AbortSignal: in tests, the document may come from another implementation than the signal.
  return () => { change('removeEventListener') }
}
