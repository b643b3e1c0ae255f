import type { Client } from '@fastify-airlock/authority'
import { BadCredentials, ExternalUnavailable } from './errors.js'
import type { AuthorityUrls } from './external-config.js'

/** A token of the authority. */
export interface ExternalToken {
  token: string
  /** Its life in seconds. */
  expiresIn: number
}

/** Time for an answer, in milliseconds. */
const TIMEOUT_MS = 3_000

/** Asks the authority for tokens, and gives them back. */
export class AuthorityClient {
  readonly #urls: AuthorityUrls
  readonly #authorization: string

  constructor (urls: AuthorityUrls, { id, secret }: Client) {
    this.#urls = urls
    // RFC 6749, section 2.3.1.
    this.#authorization = `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`
  }

  /**
   * A token for whoever knows the password.
   *
   * @throws WSA_DEMO_ERR_BAD_CREDENTIALS
   * @throws WSA_DEMO_ERR_EXTERNAL_UNAVAILABLE
   */
  async login (username: string, password: string): Promise<ExternalToken> {
    const response = await this.#post(this.#urls.token, { grant_type: 'password', username, password })
    // RFC 6749, section 5.2: 401 would mean that it does not know us.
    if (response.status === 400) throw new BadCredentials()
    if (!response.ok) throw unavailable(new Error(`the authority answered ${response.status}`))
    // What the parser has to say may quote the token.
    const answer = await response.json().catch(() => null) as { access_token?: unknown, expires_in?: number } | null
    if (typeof answer?.access_token !== 'string' || !Number.isSafeInteger(answer.expires_in)) {
      throw unavailable(new Error('the authority answered without a token'))
    }
    return { token: answer.access_token, expiresIn: answer.expires_in as number }
  }

  /**
   * Ends a token (RFC 7009).
   *
   * @throws WSA_DEMO_ERR_EXTERNAL_UNAVAILABLE
   */
  async revoke (token: string): Promise<void> {
    const { ok, status } = await this.#post(this.#urls.revocation, { token, token_type_hint: 'access_token' })
    if (!ok) throw unavailable(new Error(`the authority answered ${status}`))
  }

  async #post (url: string, form: Record<string, string>): Promise<Response> {
    try {
      return await fetch(url, {
        method: 'POST',
        headers: { authorization: this.#authorization, accept: 'application/json' },
        body: new URLSearchParams(form),
        // It would take the password elsewhere.
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS)
      })
    } catch (error) {
      throw unavailable(error)
    }
  }
}

function unavailable (cause: unknown): Error {
  return Object.assign(new ExternalUnavailable({ cause }), { headers: { 'retry-after': '5' } })
}
