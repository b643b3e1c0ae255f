import { log } from '../log/log.js'

/** The server refused an HTTP request. The message is the server's. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  readonly code: string

  constructor (status: number, code: string, message: string) {
    super(`${status} ${message}${code === '' ? '' : ` (${code})`}`)
    this.status = status
    this.code = code
  }
}

interface CallOptions {
  json?: unknown
  token?: string | undefined
  /** `omit` sends no cookies of this page and stores none of the answer. */
  credentials?: 'same-origin' | 'omit'
  signal?: AbortSignal
  /** Logs only what fails: for requests that nobody has clicked for. */
  quiet?: boolean
}

/**
 * Sends a request to the demo and logs it.
 *
 * @returns the response, whatever its status
 * @throws {Error} when there is no response
 */
export async function send (method: string, path: string, { json, token, credentials = 'same-origin', signal, quiet = false }: CallOptions = {}): Promise<Response> {
  const headers = new Headers()
  if (json !== undefined) headers.set('content-type', 'application/json')
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  try {
    const response = await fetch(path, {
      method,
      credentials,
      headers,
      ...(json !== undefined && { body: JSON.stringify(json) }),
      ...(signal !== undefined && { signal })
    })
    if (!response.ok || !quiet) log[response.ok ? 'event' : 'bad']('http', `${method} ${path}: ${response.status}`)
    return response
  } catch (error) {
    if (signal?.aborted !== true) log.bad('http', `${method} ${path}: no answer`)
    throw new Error('The server cannot be reached', { cause: error })
  }
}

/**
 * Sends a request and returns its JSON answer.
 *
 * @throws {@link HttpError} when the server refuses it
 */
export async function call<T> (method: string, path: string, options?: CallOptions): Promise<T> {
  const response = await send(method, path, options)
  const body: unknown = response.headers.get('content-type')?.startsWith('application/json') === true ? await response.json() : null
  if (response.ok) return body as T
  const { code = '', message = response.statusText } = (body ?? {}) as { code?: string, message?: string }
  throw new HttpError(response.status, code, message)
}
