/** A page that was hidden for longer may have slept with its socket, in milliseconds. */
const NAP = 60_000

/**
 * Listens for the network to come back and for the page to be looked at again. Does nothing where there is neither, as
 * in Node.
 *
 * @param awake told whether a socket that seems open had better be probed
 * @returns a function that ends it
 */
export function onWake (awake: (doubtful: boolean) => void): () => void {
  const { document } = globalThis
  let hiddenAt = Infinity
  const online = (): void => { awake(true) }
  const turned = (): void => {
    // Not the clock of `performance`, which may stand still while the machine sleeps.
    if (document.hidden) hiddenAt = Date.now()
    else awake(Date.now() - hiddenAt > NAP)
  }
  const listen = (verb: 'addEventListener' | 'removeEventListener'): void => {
    globalThis[verb]?.('online', online)
    document?.[verb]('visibilitychange', turned)
  }
  listen('addEventListener')
  // By hand and not by a signal: the document of a test may be of another make than its signals.
  return () => { listen('removeEventListener') }
}
