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
 * @param signal ends it
 * @param awake told whether a socket that seems open had better be probed
 */
export function onWake (signal: AbortSignal, awake: (doubtful: boolean) => void): void {
  const { document } = globalThis
  let hiddenAt = Infinity
  globalThis.addEventListener?.('online', () => { awake(true) }, { signal })
  document?.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      // Not the clock of `performance`, which may stand still while the machine sleeps.
      hiddenAt = Date.now()
    } else {
      awake(Date.now() - hiddenAt > NAP)
      hiddenAt = Infinity
    }
  }, { signal })
}
