import { Store } from '../ui/store.js'
import { read, write } from '../ui/storage.js'

export const ROUTES = ['/ws/demo', '/ws/admin', '/ws/kiosk'] as const
export const CARRIERS = ['subprotocol', 'cookie', 'query'] as const

/** What the user chose. */
export interface Settings {
  route: typeof ROUTES[number]
  carrier: typeof CARRIERS[number]
  /** Whether there is to be a connection. */
  wanted: boolean
}

const NAME = 'airlock.connect'

/** Reads what was kept; anything that is not understood counts as not chosen. */
export function parseSettings (text: string | null): Settings {
  let kept: Partial<Record<keyof Settings, unknown>> = {}
  try {
    kept = Object(JSON.parse(text ?? '{}'))
  } catch {
    // Somebody else's, or an older page's.
  }
  return {
    route: ROUTES.find(route => route === kept.route) ?? '/ws/demo',
    carrier: CARRIERS.find(carrier => carrier === kept.carrier) ?? 'subprotocol',
    wanted: kept.wanted === true
  }
}

/** The choices of this tab, which survive a reload. */
export const settings = new Store<Settings>(parseSettings(read('session', NAME)))

/** Changes some of them. */
export function choose (change: Partial<Settings>): void {
  const chosen = { ...settings.get(), ...change }
  settings.set(chosen)
  write('session', NAME, JSON.stringify(chosen))
}
