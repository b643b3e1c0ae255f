import { ownPackage } from './profile.js'

/** One change of mind of the compiler. */
export interface Deoptimisation {
  /** The function's place in its file; from the outside in, where it was inlined. */
  where: string
  kind: string
  reason: string
  /** Whether it is in a package of ours, or in something that was inlined there: our code is thrown away then, too. */
  own: boolean
}

/**
 * Reads V8's log.
 *
 * @param after microseconds since the process started; what was before is left out
 */
export function deoptimisations (log: string, after: number): Deoptimisation[] {
  const found: Deoptimisation[] = []
  for (const line of log.split('\n')) {
    // code-deopt,time,size,address,inlining id,script offset,kind,location,reason
    const parts = /^code-deopt,(\d+),[^,]*,[^,]*,[^,]*,[^,]*,([^,]*),(<.*>(?: inlined at <.*>)*),(.*)$/.exec(line)
    if (parts === null) continue
    const [, time = '', kind = '', where = '', reason = ''] = parts
    if (Number(time) < after) continue
    const short = where.replaceAll(/file:\/\/\S*\/(?=packages|plugins|node_modules)/g, '')
    found.push({ where: short, kind, reason, own: where.split(' inlined at ').some(place => ownPackage(place) !== undefined) })
  }
  return found
}
