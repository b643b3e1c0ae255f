/** A page that was hidden for longer may have slept with its socket, in milliseconds. */
const NAP = 60_000

/** Whether the platform knows that there is no network. A platform that can not tell has one. */
export function isOffline (): boolean {
  return globalThis.navigator?.onLine === false
}

/**
 * Listens for the network to come back and for the page to be looked at again. Does nothing where there is neither, as
 * in Node.
 *
 * @param awake told whether a socket that seems open had better be probed
 * @returns a function that ends it
 */
export function onWake (awake: (doubtful: boolean) => void): () => void {
  const { addEventListener, removeEventListener, document } = globalThis
  let hiddenAt = Infinity
  const online = (): void => { awake(true) }
  const turned = (): void => {
    if (document.visibilityState === 'hidden') {
      hiddenAt = Date.now()
    } else {
      const doubtful = Date.now() - hiddenAt > NAP
      hiddenAt = Infinity
      awake(doubtful)
    }
  }
  addEventListener?.('online', online)
  document?.addEventListener('visibilitychange', turned)
  return () => {
    removeEventListener?.('online', online)
    document?.removeEventListener('visibilitychange', turned)
  }
}
