import { Pool } from 'undici'
import type { AuthoritySettings } from './options.js'

/**
 * The client's side of OAuth 2.0 Token Introspection (RFC 7662) over a pool of connections.
 *
 * `oauth4webapi` could replace the twenty lines that make the request and read the answer. It is not used because its
 * errors carry the response or its body, which must not get into a log, and because it needs `fetch`, which takes five
 * times the CPU of a request of the pool. It leaves `exp`, `nbf`, `iss` and `aud` of the answer to the caller.
 */
export class Authority {
  readonly #pool: Pool
  readonly #path: string
  readonly #headers: Record<string, string>
  readonly #hint: string

  constructor (settings: AuthoritySettings) {
    const { endpoint, tokenTypeHint, tls, timeout } = settings
    this.#path = endpoint.pathname + endpoint.search
    this.#hint = tokenTypeHint === false ? '' : `token_type_hint=${encode(tokenTypeHint)}&`
    const authorization = authorizationFor(settings)
    this.#headers = {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...(authorization !== null && { authorization })
    }
    this.#pool = new Pool(endpoint.origin, {
      connections: settings.concurrency,
      pipelining: 1,
      maxResponseSize: settings.maxAnswerBytes,
      // Each question has a signal that limits all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      // NODE_TLS_REJECT_UNAUTHORIZED must have no effect here.
      connect: { ...tls, timeout, rejectUnauthorized: true } as Pool.Options['connect'] & object
    })
  }

  /**
   * Asks about a token. Redirects are not followed: they would send the token and the secret elsewhere.
   *
   * @returns the answer's JSON, unchecked
   * @throws an error that says what went wrong, and shows neither the token nor any part of the answer
   */
  async ask (token: string, signal: AbortSignal): Promise<unknown> {
    const { statusCode, body } = await this.#pool.request({
      method: 'POST', path: this.#path, headers: this.#headers, body: `${this.#hint}token=${encode(token)}`, signal
    })
    if (statusCode !== 200) {
      await body.dump()
      const cure = statusCode === 401 || statusCode === 403 ? ': it does not accept our credentials' : ''
      throw new Error(`The authority answered ${statusCode}${cure}`)
    }
    const text = await body.text()
    try {
      return JSON.parse(text)
    } catch {
      // The parser's own message quotes the text, which may contain anything.
      throw new Error('The authority did not answer with JSON')
    }
  }

  /** Closes every connection at once. */
  async close (): Promise<void> {
    // Bun has an undici of its own, whose pool has no such method, and keeps no connection that holds the process.
    await (this.#pool as Partial<Pool>).destroy?.()
  }
}

function authorizationFor ({ clientId, clientSecret, bearerToken }: AuthoritySettings): string | null {
  if (bearerToken !== undefined) return `Bearer ${bearerToken}`
  if (clientId === undefined || clientSecret === undefined) return null
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64')}`
}

/** Encodes as `application/x-www-form-urlencoded`, which RFC 6749 (section 2.3.1) requires for the parts of Basic as well. */
function encode (text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
