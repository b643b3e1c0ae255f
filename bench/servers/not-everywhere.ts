import type { Settings } from './settings.js'

/**
 * Options that not every revision knows. One that does not refuses them at registration, and the variant is left out
 * with a note.
 */
export function optionsOf ({ tokenCache, routeJwt, refuseBeforeRouting }: Settings) {
  const handshake: object = tokenCache ? {} : { jwt: { cache: false } }
  const route: object = routeJwt ? { jwt: {} } : {}
  const guard: object = refuseBeforeRouting ? { refuseBeforeRouting: true } : {}
  return { guard, handshake, tickets: { route } }
}

/** Whether a server failed for want of such an option. */
export function isMissingOption (error: unknown): boolean {
  return /_ERR_OPTION$/.test(String((error as { code?: unknown } | null)?.code))
}
