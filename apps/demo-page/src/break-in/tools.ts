import type { Tools } from '@fastify-airlock/doctor/scenarios'
import { getTicket } from '../connection/credentials.js'
import { call } from '../session/api.js'
import { session } from '../session/session.js'
import type { User } from '../session/session-store.js'
import { openFromElsewhere } from './foreign.js'
import { openRaw } from './raw.js'

/**
 * Creates the tools of a scenario.
 *
 * @param lane the scenario's name in the log
 * @param onWait receives how much of a wait is left, and the whole wait, in milliseconds
 */
export function makeTools (lane: string, signal: AbortSignal, onWait: (left: number, whole: number) => void): Tools {
  return {
    open: attempt => openRaw(lane, attempt),
    openElsewhere: async ticket => await openFromElsewhere(lane, ticket),
    auth: token => ({ type: 'auth', token }),
    async ticket () {
      const response = await getTicket({ signal })
      if (!response.ok) throw new Error(`Got no ticket: HTTP ${response.status}`)
      return response.json()
    },
    async token () {
      const token = await session.token()
      if (token === null) throw new Error('You are not logged in')
      return token
    },
    async otherToken () {
      const [username, password] = session.current?.user.id === 'bob' ? ['alice', 'wonderland'] : ['bob', 'builder']
      // `omit` also drops the cookie of the answer, so this page keeps its own session.
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
