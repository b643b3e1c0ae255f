import { WSA_PRESENCE_ERR_INVALID_STATE } from './errors.js'

/** Most levels of lists and objects in a state: what can be parsed cannot always be written again, least of all within something else. */
const MAX_LEVELS = 64

/** Whether a value may be a state: it is parsed JSON. */
export function isState (value: unknown, maxBytes: number): boolean {
  return hasLevels(value, MAX_LEVELS) && Buffer.byteLength(JSON.stringify(value)) <= maxBytes
}

/**
 * Returns a state as others will see it, `null` for none.
 *
 * @throws {@link WSA_PRESENCE_ERR_INVALID_STATE} when it cannot be one
 */
export function toState (given: unknown, maxBytes: number): unknown {
  let text: string | undefined
  try {
    text = JSON.stringify(given ?? null)
  } catch (cause) {
    throw Object.assign(new WSA_PRESENCE_ERR_INVALID_STATE('it has no JSON form'), { cause })
  }
  if (text === undefined) throw new WSA_PRESENCE_ERR_INVALID_STATE('it has no JSON form')
  const bytes = Buffer.byteLength(text)
  if (bytes > maxBytes) throw new WSA_PRESENCE_ERR_INVALID_STATE(`it has ${bytes} bytes, and ${maxBytes} are allowed`)
  const state: unknown = JSON.parse(text)
  if (!hasLevels(state, MAX_LEVELS)) throw new WSA_PRESENCE_ERR_INVALID_STATE(`it has more than ${MAX_LEVELS} levels of lists and objects`)
  return state
}

function hasLevels (value: unknown, most: number): boolean {
  return typeof value !== 'object' || value === null || (most > 0 && Object.values(value).every(member => hasLevels(member, most - 1)))
}
