import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { WSA_CORE_ERR_KEYS_UNAVAILABLE } from './errors.js'

/** Settings of {@link IssuerKeys}; see `JwksOptions`. */
export interface IssuerKeysSettings {
  jwksUri?: string | undefined
  refreshInterval: number
  cooldown: number
  maxStale: number
  timeout: number
  allowHttp: boolean
  onError: (error: Error, issuer: string) => void
  now: () => number
}

type IsNew = (fetchedAt: number, areNamed: boolean) => boolean

/**
 * The published keys of one issuer. `createRemoteJWKSet` of jose does not do: while the issuer is away it has no keys at
 * all, and within its cooldown it calls a key unknown that was published meanwhile.
 */
export class IssuerKeys {
  readonly #issuer: string
  readonly #settings: IssuerKeysSettings
  #keys: JWTVerifyGetKey | null = null
  /** Whether each key has a `kid`. */
  #areNamed = true
  #uri: string | undefined
  /** When the fetch began that brought the keys. */
  #fetchedAt = -Infinity
  #triedAt = -Infinity
  #fetching: Promise<void> | null = null
  /** Why the last fetch has failed. */
  #failure: unknown
  /** Fetches that have begun, and the number of the one that brought the keys. */
  #fetches = 0
  #fetched = 0

  constructor (issuer: string, settings: IssuerKeysSettings) {
    this.#issuer = issuer
    this.#settings = settings
    this.#uri = settings.jwksUri
  }

  /**
   * Runs a check with the keys, and where it says that its key is not among them once more with newer ones.
   *
   * @param isKeyUnknown whether the check failed since the key is none of these
   * @param isNew whether the key may have been published after those that were fetched at this time
   * @throws {@link WSA_CORE_ERR_KEYS_UNAVAILABLE} when it cannot be said whether the issuer has published the key
   * @throws the error of the check when the issuer has not, and any other that it throws
   */
  async use<T> (
    check: (keys: JWTVerifyGetKey) => Promise<T>, isKeyUnknown: (error: unknown) => boolean, isNew: IsNew
  ): Promise<T> {
    const { maxStale, refreshInterval } = this.#settings
    const before = this.#fetches
    const age = this.#age()
    if (age >= maxStale) await this.#fetchIfAllowed()
    else if (age >= refreshInterval) this.#fetchIfAllowed().catch(() => {})
    const checkedWith = this.#fetched
    try {
      return await check(this.#current())
    } catch (error) {
      if (!isKeyUnknown(error)) throw error
      await this.#fetchIfAllowed()
      if (this.#fetched === checkedWith) return this.#giveUp(error, before, isNew)
    }
    try {
      return await check(this.#current())
    } catch (error) {
      if (!isKeyUnknown(error)) throw error
      return this.#giveUp(error, before, isNew)
    }
  }

  /** @param before the number of the last fetch that had begun when the token came: a later one has missed no key */
  #giveUp (error: unknown, before: number, isNew: IsNew): never {
    throw this.#fetched > before || !isNew(this.#fetchedAt, this.#areNamed) ? error : this.#unavailable()
  }

  /** Of the keys. Where the clock was set back they are as old as can be, or they would stay for as long. */
  #age (): number {
    const age = this.#settings.now() - this.#fetchedAt
    return age < 0 ? Infinity : age
  }

  #current (): JWTVerifyGetKey {
    if (this.#keys === null || this.#age() >= this.#settings.maxStale) {
      throw this.#unavailable()
    }
    return this.#keys
  }

  /** Says why, for the log: the client gets the message alone. */
  #unavailable (): Error {
    return new WSA_CORE_ERR_KEYS_UNAVAILABLE(this.#issuer, ...this.#failure === undefined ? [] : [{ cause: this.#failure }])
  }

  /** Joins the fetch that is under way, or starts one unless the last was too short a time ago. Never rejects. */
  async #fetchIfAllowed (): Promise<void> {
    const { now, cooldown } = this.#settings
    const since = now() - this.#triedAt
    if (this.#fetching === null && since >= 0 && since < cooldown) return
    await (this.#fetching ??= this.#fetch().finally(() => { this.#fetching = null }))
  }

  async #fetch (): Promise<void> {
    const startedAt = this.#triedAt = this.#settings.now()
    const number = ++this.#fetches
    try {
      this.#uri ??= await this.#discover()
      const published = await this.#get(this.#uri) as unknown as JSONWebKeySet
      this.#keys = createLocalJWKSet(published)
      this.#areNamed = published.keys.every(({ kid }) => typeof kid === 'string')
      this.#fetchedAt = startedAt
      this.#fetched = number
      this.#failure = undefined
    } catch (error) {
      this.#failure = error
      // It may be elsewhere the next time.
      this.#uri = this.#settings.jwksUri
      try {
        this.#settings.onError(error as Error, this.#issuer)
      } catch {
        // Whatever is wrong with the log, it says nothing about a token.
      }
    }
  }

  /** OpenID Connect Discovery 1.0, section 4; where there is none, RFC 8414, section 3, which puts the path last. */
  async #discover (): Promise<string> {
    const { origin, pathname } = new URL(this.#issuer)
    const path = pathname.replace(/\/$/, '')
    let metadata: { issuer?: unknown, jwks_uri?: unknown }
    try {
      metadata = await this.#get(`${origin}${path}/.well-known/openid-configuration`)
    } catch {
      metadata = await this.#get(`${origin}/.well-known/oauth-authorization-server${path}`)
    }
    if (metadata.issuer !== this.#issuer) throw new Error(`the discovery document is of ${String(metadata.issuer)}`)
    if (typeof metadata.jwks_uri !== 'string') throw new Error('the discovery document names no jwks_uri')
    if (!this.#settings.allowHttp && !isSafe(metadata.jwks_uri)) throw new Error(`${metadata.jwks_uri} is no https URL`)
    return metadata.jwks_uri
  }

  async #get (url: string): Promise<Record<string, unknown>> {
    const response = await fetch(url, {
      headers: { accept: 'application/json' }, redirect: 'error', signal: AbortSignal.timeout(this.#settings.timeout)
    })
    if (!response.ok) throw new Error(`${url} answered with ${response.status}`)
    return await response.json() as Record<string, unknown>
  }
}

/** Whether nobody on the way can change what comes from there. */
export function isSafe (url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || (protocol === 'http:' && /^(?:localhost|\[::1\]|127(?:\.\d+){3})$/.test(hostname))
}
