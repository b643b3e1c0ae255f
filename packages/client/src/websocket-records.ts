import { now } from './clock.js'
import type { SocketEnd } from './close-maps.js'
import { fault, type AirlockError } from './errors.js'
import type { ConnectSettings } from './options.js'
import { createRetryPolicy } from './retry-policy.js'

/** URLs that are remembered. Some libraries put something new into the query of each attempt. */
const MAX_RECORDS = 256

/** What is known of the attempts for one URL, whichever socket made them. */
export interface AttemptRecord {
  /** Failed attempts since one last opened. */
  readonly failures: number
  /** The JWT that the server has just refused. */
  readonly rejectedToken: string | undefined
  /** After it, no attempt is made: it would fail in the same way. */
  readonly refusal: SocketEnd | undefined
  /** Milliseconds that the next attempt has to wait. */
  readonly wait: number
  opened (): void
  /** @returns how it ended; the error is `final` if no attempt follows */
  ended (error: AirlockError, code: number, reason: string, token: string | undefined): SocketEnd
}

/** The records of one class, by URL. */
export interface Records {
  get (url: string): AttemptRecord
  /** Forgets everything. */
  clear (): void
}

/** Creates a store without records. */
export function createRecords (settings: Pick<ConnectSettings, 'attempts' | 'min' | 'max' | 'random'>): Records {
  const records = new Map<string, AttemptRecord>()
  return {
    get (url) {
      const record = records.get(url) ?? createRecord(settings)
      records.delete(url)
      records.set(url, record)
      for (const [oldest] of records) {
        if (records.size <= MAX_RECORDS) break
        records.delete(oldest)
      }
      return record
    },
    clear () { records.clear() }
  }
}

function createRecord (settings: Pick<ConnectSettings, 'attempts' | 'min' | 'max' | 'random'>): AttemptRecord {
  const policy = createRetryPolicy({ ...settings, reconnect: undefined })
  let notBefore = 0
  let rejectedToken: string | undefined
  let refusal: SocketEnd | undefined
  return {
    get failures () { return policy.attempts },
    get rejectedToken () { return rejectedToken },
    get refusal () { return refusal },
    get wait () { return notBefore - now() },
    opened () {
      rejectedToken = undefined
      policy.open()
    },
    ended (error, code, reason, token) {
      if (error.closeCode === 4401) rejectedToken = token
      // A server that has nothing more to say may be asked again, but not in a tight loop.
      const delay = policy.fail(code === 1000 ? fault('UNREACHABLE') : error)
      const end = { error, code, reason }
      if (delay === undefined) refusal = { ...end, error: Object.assign(error, { final: true }) }
      else notBefore = now() + delay
      return end
    }
  }
}
