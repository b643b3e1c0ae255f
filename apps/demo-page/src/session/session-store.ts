import { EXPIRING_AT } from '@fastify-airlock/protocol'
import { Store } from '../ui/store.js'
import { read, write } from '../ui/storage.js'
import { call, HttpError } from './api.js'

/** A user who is logged in. */
export interface User {
  id: string
  name: string
  role: 'user' | 'admin'
}

/** The session of this page. The JWT is kept nowhere else. */
export interface Session {
  token: string
  user: User
  /** When this page got the JWT, in milliseconds since the epoch. */
  since: number
  /** When the JWT expires, in milliseconds since the epoch. */
  expiresAt: number
  /** The request that returned it. */
  path: '/login' | '/session'
  /** How long that request took, in milliseconds. */
  took: number
}

export type SessionState =
  | { status: 'restoring' }
  | { status: 'out', note: string | null }
  | { status: 'in', session: Session, leaving: boolean }

type Answer = Pick<Session, 'token' | 'user' | 'expiresAt'>

// Says only that somebody has logged in here. Without it, a first visit would ask for a session in vain, and the
// browser's console would show a failed request.
const HINT = 'airlock.session'

/** Time that another tab has to say what it did, in milliseconds. */
const TABS_MS = 250

const ENDED = 'Your session has ended. Log in again.'

/** The part of a `BroadcastChannel` that the store uses. */
export type Tabs = Pick<BroadcastChannel, 'postMessage' | 'addEventListener'>

/** The login of this page, shared with other tabs. */
export class SessionStore {
  readonly state: Store<SessionState>
  readonly #tabs: Tabs
  #renewal: Promise<Session | null> | null = null

  /** @param tabs the channel to the other tabs */
  constructor (tabs: Tabs) {
    this.state = new Store<SessionState>(read('local', HINT) === null ? { status: 'out', note: null } : { status: 'restoring' })
    this.#tabs = tabs
    tabs.addEventListener('message', ({ data }) => this.#hear(data))
  }

  /** The session; `null` if nobody is logged in. */
  get current (): Session | null {
    const state = this.state.get()
    return state.status === 'in' ? state.session : null
  }

  /** Restores the session from the cookie. */
  async restore (): Promise<void> {
    try {
      await this.renew()
    } catch (error) {
      if (this.state.get().status === 'restoring') this.#leave(error instanceof Error ? error.message : null)
    }
  }

  /**
   * Finds out whether the session still exists, after the server has ended a connection: it may have ended elsewhere.
   * A tab that logs out says so when the server has answered it. Waiting for that saves a request.
   */
  check (): void {
    setTimeout(() => this.restore(), TABS_MS)
  }

  /** @throws {@link HttpError} with status 401 when name and password do not match */
  async login (username: string, password: string): Promise<void> {
    this.#enter(await ask('/login', { json: { username, password } }))
    this.#tabs.postMessage('in')
  }

  /** Ends the session here, on the server and in the other tabs. */
  async logout (): Promise<void> {
    const state = this.state.get()
    if (state.status !== 'in') return
    this.state.set({ ...state, leaving: true })
    try {
      await call('POST', '/logout', { token: state.session.token })
    } catch (error) {
      // 401: the session is over already.
      if (!(error instanceof HttpError && error.status === 401)) {
        this.state.set(state)
        throw error
      }
    }
    this.#forget('Logged out. Your JWT and unused tickets are revoked, and your sockets are closed.')
    this.#tabs.postMessage('out')
  }

  /**
   * Returns a JWT that does not expire soon.
   *
   * @returns `null` if there is none
   * @throws {Error} when the server cannot be reached, or fails
   */
  async token (): Promise<string | null> {
    const session = this.current
    if (session !== null && Date.now() < session.since + EXPIRING_AT * (session.expiresAt - session.since)) return session.token
    return (await this.renew())?.token ?? null
  }

  /**
   * Renews the session. Calls share a renewal that is already running.
   *
   * @returns `null` if the session has ended; the state then says so
   * @throws {Error} when the server cannot be reached, or fails
   */
  renew (): Promise<Session | null> {
    this.#renewal ??= this.#renew().finally(() => { this.#renewal = null })
    return this.#renewal
  }

  async #renew (): Promise<Session | null> {
    const state = this.state.get()
    if (state.status === 'out' || (state.status === 'in' && state.leaving)) return null
    // Another tab may have renewed the cookie. An expired JWT in the header would take precedence over it.
    const token = state.status === 'in' && Date.now() < state.session.expiresAt ? state.session.token : undefined
    try {
      const session = await ask('/session', { token })
      const { current } = this
      // The user may have logged out meanwhile.
      if (this.state.get().status === 'out') return null
      if (current === null || current.user.id === session.user.id) return this.#enter(session)
      this.#leave(`${session.user.name} has logged in in another tab. Reload to continue as ${session.user.name}.`)
      return null
    } catch (error) {
      if (!(error instanceof HttpError && error.status === 401)) throw error
      this.#forget(ENDED)
      return null
    }
  }

  #enter (session: Session): Session {
    write('local', HINT, 'yes')
    this.state.set({ status: 'in', session, leaving: false })
    return session
  }

  /** The session has ended. */
  #forget (note: string): void {
    write('local', HINT, null)
    this.#leave(note)
  }

  #leave (note: string | null): void {
    this.state.set({ status: 'out', note })
  }

  #hear (message: unknown): void {
    const { status } = this.state.get()
    if (message === 'out' && status !== 'out') this.#leave('You logged out in another tab.')
    if (message === 'in' && status === 'out') {
      this.state.set({ status: 'restoring' })
      this.restore()
    }
  }
}

async function ask (path: Session['path'], options: Parameters<typeof call>[2]): Promise<Session> {
  const begun = performance.now()
  const answer = await call<Answer>('POST', path, options)
  return { ...answer, path, since: Date.now(), took: performance.now() - begun }
}
