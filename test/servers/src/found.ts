/** Why something that a suite needs cannot be had. */
export interface Skip {
  /** One line for a person to read. */
  skip: string
}

/** Whether a search ended without finding anything. */
export function isSkip (found: object): found is Skip {
  return 'skip' in found
}

/** The part of tap's `t` that {@link requireServer} needs. */
export interface Reporter {
  fail (message: string): unknown
  pass (message: string, extra: { skip: string }): unknown
}

/**
 * What a suite does with the outcome of a search: goes on with what was found; else skips, with the reason printed;
 * where `CI` is set, fails, so that a pipeline cannot pass for want of a server.
 *
 * @returns what was found, or `null`: return from the test then
 *
 * @example
 * const mongo = requireServer(t, await findMongo())
 * if (mongo === null) return
 */
export function requireServer<T extends object> (t: Reporter, found: T | Skip): T | null {
  if (!isSkip(found)) return found
  if (process.env.CI) t.fail(found.skip)
  else t.pass('the server that this needs', { skip: found.skip })
  return null
}
