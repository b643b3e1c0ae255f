import { Store } from '../ui/store.js'
import { call, HttpError } from './api.js'
import type { Session, SessionStore } from './session-store.js'

/** One login of the user: on this device or on another. */
export interface ListedSession {
  id: string
  /** Whether it is the session of this page. */
  current: boolean
  /** When it began, in milliseconds since the epoch. */
  since: number
  /** The browser and its system, as the server knows them. */
  device: string
  /** Open sockets, on all nodes of the server. */
  sockets: number
}

/** How long before its expiry a JWT is not used any more, in milliseconds: it might expire on its way. */
const MARGIN_MS = 10_000

/** The user's sessions, as the server lists them. */
export class SessionList {
  /** `null` before the first answer. */
  readonly state = new Store<ListedSession[] | null>(null)
  readonly #session: Pick<SessionStore, 'current' | 'check'>

  /** @param session of this page */
  constructor (session: Pick<SessionStore, 'current' | 'check'>) {
    this.#session = session
  }

  /**
   * Asks for the list. It renews no JWT: to look at a list is no reason for a session to last.
   *
   * @throws {Error} when the server cannot be reached, or fails
   */
  async load (signal?: AbortSignal): Promise<void> {
    const { current } = this.#session
    if (current === null || isEnding(current)) return
    try {
      const list = await call<ListedSession[]>('GET', '/sessions', { token: current.token, quiet: true, ...(signal !== undefined && { signal }) })
      if (signal?.aborted !== true) this.state.set(list)
    } catch (error) {
      if (signal?.aborted === true) return
      // It was ended elsewhere.
      if (error instanceof HttpError && error.status === 401) return this.#session.check()
      throw error
    }
  }

  /**
   * Ends other sessions, one after the other.
   *
   * @returns how many of them were still there
   * @throws {Error} when the server cannot be reached, or fails
   */
  async end (sessions: ListedSession[]): Promise<number> {
    let ended = 0
    for (const { id } of sessions) {
      try {
        await call('POST', `/sessions/${encodeURIComponent(id)}/end`, { token: this.#session.current?.token })
        ended++
      } catch (error) {
        // Somebody else was faster.
        if (!(error instanceof HttpError && error.status === 404)) throw error
      }
    }
    await this.load()
    return ended
  }
}

/** Whether a JWT might expire on its way: it is not used for what nobody has clicked for. */
export function isEnding ({ since, expiresAt }: Session): boolean {
  return Date.now() >= expiresAt - Math.min(MARGIN_MS, (expiresAt - since) / 2)
}
