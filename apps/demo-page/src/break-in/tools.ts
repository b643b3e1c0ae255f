import { getTicket } from '../connection/credentials.js'
import { call } from '../session/api.js'
import { session } from '../session/session.js'
import type { User } from '../session/session-store.js'

/** What a scenario works with. */
export interface Tools {
  /** Its name in the log. */
  lane: string
  ticket (): Promise<{ ticket: string, expiresIn: number }>
  /** The JWT of who is logged in. */
  token (): Promise<string>
  /** A good JWT of somebody else. */
  otherToken (): Promise<string>
  /** Lets time pass, in milliseconds. */
  wait (ms: number): Promise<void>
}

/**
 * Makes them.
 *
 * @param onWait is told how much of a wait is left, and how long it is, in milliseconds
 */
export function makeTools (lane: string, signal: AbortSignal, onWait: (left: number, whole: number) => void): Tools {
  return {
    lane,
    async ticket () {
      const response = await getTicket({ signal })
      if (!response.ok) throw new Error(`No ticket to be had: HTTP ${response.status}`)
      return response.json()
    },
    async token () {
      const token = await session.token()
      if (token === null) throw new Error('Nobody is logged in')
      return token
    },
    async otherToken () {
      const [username, password] = session.current?.user.id === 'bob' ? ['alice', 'wonderland'] : ['bob', 'builder']
      // Without credentials the answer's cookie is dropped, so the session of this page stays who it is.
      return (await call<{ token: string, user: User }>('POST', '/login', { json: { username, password }, credentials: 'omit' })).token
    },
    async wait (ms) {
      const end = performance.now() + ms
      for (let left = ms; left > 0; left = end - performance.now()) {
        onWait(left, ms)
        await pause(Math.min(left, 200), signal)
      }
    }
  }
}

function pause (ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    }, ms)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
