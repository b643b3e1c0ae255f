import type { Client } from '@fastify-airlock/authority'
import { BadCredentials, ExternalUnavailable } from './errors.js'
import type { AuthorityUrls } from './external-config.js'

/** A token of the authority. */
export interface ExternalToken {
  token: string
  /** Its lifetime in seconds. */
  expiresIn: number
}

/** How long to wait for an answer, in milliseconds. */
const TIMEOUT_MS = 3_000

/** Gets tokens from the authority, and revokes them there. */
export class AuthorityClient {
  readonly #urls: AuthorityUrls
  readonly #authorization: string

  constructor (urls: AuthorityUrls, { id, secret }: Client) {
    this.#urls = urls
    // RFC 6749, section 2.3.1.
    this.#authorization = `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`
  }

  /**
   * Exchanges a name and a password for a token.
   *
   * @throws {@link BadCredentials} when they do not match
   * @throws {@link ExternalUnavailable} when the authority does not answer, or answers with nonsense
   */
  async login (username: string, password: string): Promise<ExternalToken> {
    const response = await this.#post(this.#urls.token, { grant_type: 'password', username, password })
    // RFC 6749, section 5.2: 401 would mean that it does not know this client.
    if (response.status === 400) throw new BadCredentials()
    if (!response.ok) throw unavailable(new Error(`the authority answered ${response.status}`))
    // The parser's own error is dropped, because it may quote the token.
    const answer = await response.json().catch(() => null) as { access_token?: unknown, expires_in?: number } | null
    if (typeof answer?.access_token !== 'string' || !Number.isSafeInteger(answer.expires_in)) {
      throw unavailable(new Error('the authority answered without a token'))
    }
    return { token: answer.access_token, expiresIn: answer.expires_in as number }
  }

  /**
   * Revokes a token (RFC 7009).
   *
   * @throws {@link ExternalUnavailable} when the authority does not answer, or refuses
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
        // A redirect would send the password somewhere else.
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
