import { fault } from './errors.js'

/**
 * Adds a listener to what the application or the platform has given.
 *
 * @param target nothing happens without one
 * @returns a function that removes it
 * @throws AirlockError `WSA_CLIENT_ERR_OPTIONS` when the target, a signal, takes no listeners
 */
export function listen (target: EventTarget | null | undefined, event: string, listener: () => void): () => void {
  if (target && !target.addEventListener) throw fault('OPTIONS', 'signal')
  target?.addEventListener(event, listener)
  return () => { target?.removeEventListener(event, listener) }
}
