import type { Settings } from './settings.js'

/**
 * Options that not every revision knows. One that does not refuses them at registration, and the variant is left out
 * with a note.
 */
export function optionsOf ({ tokenCache, refuseBeforeRouting }: Settings) {
  const cache: object = tokenCache ? {} : { jwt: { cache: false } }
  const guard: object = refuseBeforeRouting ? { refuseBeforeRouting: true } : {}
  return { guard, handshake: cache, tickets: { route: cache } }
}

/** Whether a server failed for want of such an option. */
export function isMissingOption (error: unknown): boolean {
  return /_ERR_OPTION$/.test(String((error as { code?: unknown } | null)?.code))
}
