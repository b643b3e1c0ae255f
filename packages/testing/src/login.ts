import { randomUUID } from 'node:crypto'
import { Cookies } from './cookies.js'
import type { DeviceHost, DeviceOptions } from './device-options.js'
import { WSA_TESTING_ERR_NO_LOGIN } from './errors.js'

/** The login of one device: its cookies, its JWT, and the name that both have in common. */
export class Login {
  readonly cookies = new Cookies()
  readonly #subject: string | null
  readonly #options: DeviceOptions
  /** That of the application's own login. */
  #token: string | null = null
  /** One that was signed here. */
  #signing: Promise<string> | null = null
  #sid = randomUUID()

  constructor (subject: string | null, options: DeviceOptions) {
    this.#subject = subject
    this.#options = options
  }

  /** @throws {@link WSA_TESTING_ERR_NO_LOGIN} when nobody can sign one */
  async token (host: DeviceHost): Promise<string> {
    return this.#token ?? await (this.#signing ??= this.sign(host, {}))
  }

  /**
   * A JWT in the place of the one of before, which ends soon or was refused. That of the application's own login stays.
   *
   * @throws {@link WSA_TESTING_ERR_NO_LOGIN} when nobody can sign one
   */
  async renewed (host: DeviceHost): Promise<string> {
    this.#signing = null
    return await this.token(host)
  }

  /** @throws {@link WSA_TESTING_ERR_NO_LOGIN} when nobody can */
  async sign ({ sign, app }: DeviceHost, claims: Record<string, unknown>): Promise<string> {
    if (this.#subject === null) throw new WSA_TESTING_ERR_NO_LOGIN('nobody')
    const { life = 600_000, claims: own } = this.#options
    const iat = Math.floor(Date.now() / 1_000)
    const all = { sub: this.#subject, sid: this.#sid, iat, exp: iat + Math.floor(life / 1_000), ...own, ...claims }
    if (sign !== undefined) return await sign(all)
    const { jwt } = app as { jwt?: { sign (claims: object): string } }
    if (jwt === undefined) throw new WSA_TESTING_ERR_NO_LOGIN(this.#subject)
    return jwt.sign(all)
  }

  /** Keeps the JWT of the application's own login. */
  take (token: string): void {
    this.#token = token
  }

  /** The next one is new. */
  forget (): void {
    this.#token = null
    this.#signing = null
    this.#sid = randomUUID()
    this.cookies.clear()
  }

  /** The headers of a request. Where there is neither a token nor a way to get one, the cookies alone. */
  async credentials (host: DeviceHost): Promise<Record<string, string>> {
    const { cookie } = this.#options
    const token = this.#token ?? (this.cookies.size > 0 && cookie === undefined ? null : await this.token(host).catch(() => null))
    if (token !== null && cookie !== undefined) this.cookies.set(cookie, token)
    return { ...token !== null && cookie === undefined && { authorization: `Bearer ${token}` }, ...this.cookie }
  }

  /** The header with the cookies, if there are any. */
  get cookie (): { cookie?: string } {
    return this.cookies.size > 0 ? { cookie: this.cookies.header } : {}
  }
}
