import { Store } from '../ui/store.js'
import { read, write } from '../ui/storage.js'

export const ROUTES = ['/ws/demo', '/ws/admin', '/ws/kiosk'] as const
export const CARRIERS = ['subprotocol', 'cookie', 'query'] as const

/** The user's choices. */
export interface Settings {
  route: typeof ROUTES[number]
  carrier: typeof CARRIERS[number]
  /** Whether the user wants to be connected. */
  wanted: boolean
}

const NAME = 'airlock.connect'

/** Parses stored settings. An invalid value counts as not chosen. */
export function parseSettings (text: string | null): Settings {
  let kept: Partial<Record<keyof Settings, unknown>> = {}
  try {
    kept = Object(JSON.parse(text ?? '{}'))
  } catch {
    // Written by another page, or by an older version of this one.
  }
  return {
    route: ROUTES.find(route => route === kept.route) ?? '/ws/demo',
    carrier: CARRIERS.find(carrier => carrier === kept.carrier) ?? 'subprotocol',
    wanted: kept.wanted === true
  }
}

/** The settings of this tab. They survive a reload. */
export const settings = new Store<Settings>(parseSettings(read('session', NAME)))

/** Changes some of the settings. */
export function choose (change: Partial<Settings>): void {
  const chosen = { ...settings.get(), ...change }
  settings.set(chosen)
  write('session', NAME, JSON.stringify(chosen))
}
