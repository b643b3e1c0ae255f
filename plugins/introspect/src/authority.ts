import { Pool } from 'undici'

type Pem = string | Uint8Array

/** What an {@link Authority} is made of. */
export interface AuthoritySettings {
  endpoint: URL
  clientId?: string | undefined
  clientSecret?: string | undefined
  bearerToken?: string | undefined
  tokenTypeHint: string | false
  concurrency: number
  maxAnswerBytes: number
  timeout: number
  tls?: {
    ca?: Pem | Pem[] | undefined
    cert?: Pem | undefined
    key?: Pem | undefined
    servername?: string | undefined
  } | undefined
}

/** The client's side of OAuth 2.0 Token Introspection (RFC 7662) over a pool of connections. */
export class Authority {
  readonly #pool: Pool
  readonly #path: string
  readonly #headers: Record<string, string>
  readonly #hint: string

  constructor (settings: AuthoritySettings) {
    const { endpoint, tokenTypeHint, tls, timeout } = settings
    this.#path = endpoint.pathname + endpoint.search
    this.#hint = tokenTypeHint === false ? '' : `token_type_hint=${encode(tokenTypeHint)}&`
    const authorization = authorize(settings)
    this.#headers = {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...(authorization !== null && { authorization })
    }
    this.#pool = new Pool(endpoint.origin, {
      connections: settings.concurrency,
      pipelining: 1,
      maxResponseSize: settings.maxAnswerBytes,
      // The signal of each question bounds all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
      // NODE_TLS_REJECT_UNAUTHORIZED must not reach this far.
      connect: { ...tls, timeout, rejectUnauthorized: true } as Pool.Options['connect'] & object
    })
  }

  /**
   * Asks about a token. Redirects are not followed: they would take token and secret elsewhere.
   *
   * @returns the answer's JSON, unchecked
   * @throws an error that says what went wrong, without the token and without anything of the answer
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
      // The parser's own message quotes the text, and who knows what is in it.
      throw new Error('The authority did not answer with JSON')
    }
  }

  /** Closes every connection at once. */
  async close (): Promise<void> {
    await this.#pool.destroy()
  }
}

function authorize ({ clientId, clientSecret, bearerToken }: AuthoritySettings): string | null {
  if (bearerToken !== undefined) return `Bearer ${bearerToken}`
  if (clientId === undefined || clientSecret === undefined) return null
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64')}`
}

/** `application/x-www-form-urlencoded`, in which RFC 6749 (section 2.3.1) wants the parts of Basic as well. */
function encode (text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
