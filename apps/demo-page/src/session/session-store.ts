import { EXPIRING_AT } from '@fastify-airlock/protocol'
import { Store } from '../ui/store.js'
import { read, write } from '../ui/storage.js'
import { call, HttpError } from './api.js'

/** Who is logged in. */
export interface User {
  id: string
  name: string
  role: 'user' | 'admin'
}

/** A session, as long as the page lives: the JWT is nowhere but here. */
export interface Session {
  token: string
  user: User
  /** When this page got the JWT, in milliseconds since the epoch. */
  since: number
  /** When the JWT expires, in milliseconds since the epoch. */
  expiresAt: number
  /** The request that gave it. */
  path: '/login' | '/session'
  /** How long that took, in milliseconds. */
  took: number
}

export type SessionState =
  | { status: 'restoring' }
  | { status: 'out', note: string | null }
  | { status: 'in', session: Session, leaving: boolean }

type Answer = Pick<Session, 'token' | 'user' | 'expiresAt'>

// Tells that somebody logged in here, and nothing else: without it a first visit would ask in vain, and the console
// of the browser would show a request that failed.
const HINT = 'airlock.session'

/** Time for another tab to tell what it did, in milliseconds. */
const TABS_MS = 250

const ENDED = 'The server does not know this session any more. Log in again.'

/** The part of a `BroadcastChannel` that is used. */
export type Tabs = Pick<BroadcastChannel, 'postMessage' | 'addEventListener'>

/** The login of this page, and of the tabs beside it. */
export class SessionStore {
  readonly state: Store<SessionState>
  readonly #tabs: Tabs
  #renewal: Promise<Session | null> | null = null

  /** @param tabs tells the other tabs, and hears of them */
  constructor (tabs: Tabs) {
    this.state = new Store<SessionState>(read('local', HINT) === null ? { status: 'out', note: null } : { status: 'restoring' })
    this.#tabs = tabs
    tabs.addEventListener('message', ({ data }) => this.#hear(data))
  }

  /** The session, where somebody is logged in. */
  get current (): Session | null {
    const state = this.state.get()
    return state.status === 'in' ? state.session : null
  }

  /** Asks for the session that the cookie stands for. */
  async restore (): Promise<void> {
    try {
      await this.renew()
    } catch (error) {
      if (this.state.get().status === 'restoring') this.#leave(error instanceof Error ? error.message : null)
    }
  }

  /**
   * Finds out whether the session still stands, after the server ended a connection: it may have ended elsewhere.
   * Another tab that logged out says so by itself, but not before the server's answer; asking at once would be in vain.
   */
  check (): void {
    setTimeout(() => this.restore(), TABS_MS)
  }

  /** @throws HttpError with status 401 where name and password do not belong together */
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
      // A session that is over already is what was asked for.
      if (!(error instanceof HttpError && error.status === 401)) {
        this.state.set(state)
        throw error
      }
    }
    this.#forget('Logged out. The JWT is revoked, unused tickets are void, and your sockets are closed.')
    this.#tabs.postMessage('out')
  }

  /**
   * A JWT that is good for a while yet.
   *
   * @returns `null` where there is none to be had
   * @throws where the server cannot be asked
   */
  async token (): Promise<string | null> {
    const session = this.current
    if (session !== null && Date.now() < session.since + EXPIRING_AT * (session.expiresAt - session.since)) return session.token
    return (await this.renew())?.token ?? null
  }

  /**
   * Has the session renewed. Whoever asks meanwhile gets the same answer.
   *
   * @returns `null` where it has ended; the page then knows it, too
   * @throws where the server cannot be asked
   */
  renew (): Promise<Session | null> {
    this.#renewal ??= this.#renew().finally(() => { this.#renewal = null })
    return this.#renewal
  }

  async #renew (): Promise<Session | null> {
    const state = this.state.get()
    if (state.status === 'out' || (state.status === 'in' && state.leaving)) return null
    // The cookie may have been renewed by another tab; a JWT that has expired would hide it.
    const token = state.status === 'in' && Date.now() < state.session.expiresAt ? state.session.token : undefined
    try {
      const session = await ask('/session', { token })
      const { current } = this
      // Somebody may have logged out meanwhile.
      if (this.state.get().status === 'out') return null
      if (current === null || current.user.id === session.user.id) return this.#enter(session)
      this.#leave(`${session.user.name} has logged in in another tab. Reload to go on as ${session.user.name}.`)
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

  /** What the cookie stood for is over. */
  #forget (note: string): void {
    write('local', HINT, null)
    this.#leave(note)
  }

  #leave (note: string | null): void {
    this.state.set({ status: 'out', note })
  }

  #hear (message: unknown): void {
    const { status } = this.state.get()
    if (message === 'out' && status !== 'out') this.#leave('Logged out in another tab.')
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
