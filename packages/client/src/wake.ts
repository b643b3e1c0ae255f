import { listen } from './listen.js'

/**
 * Calls back when the network returns and when the page becomes visible. Without a page, as in Node, it does nothing.
 *
 * @param awake told for how long the page was hidden, in milliseconds; `Infinity` for the network
 * @returns functions that end it
 */
export function onWake (awake: (away: number) => void): Array<() => void> {
  // A page that opens hidden counts as hidden for long.
  let hiddenAt = 0
  const online = (): void => { awake(Infinity) }
  const visibilityChanged = (): void => {
    // Not the clock of `performance`, which may stand still while the machine sleeps.
    if (document.hidden) hiddenAt = Date.now()
    else awake(Date.now() - hiddenAt)
  }
  return [
    listen((globalThis.addEventListener as unknown && globalThis) as typeof globalThis, 'online', online),
    listen(globalThis.document, 'visibilitychange', visibilityChanged)
  ]
}
