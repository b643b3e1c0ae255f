import type { AttemptContext } from '@fastify-airlock/client'

/** How long a JWT may take to come, in milliseconds. */
const PATIENCE = 10_000

/** A user who is logged in here. The login itself is in a cookie that scripts cannot read; JWTs are in memory alone. */
export class Session {
  readonly user: string
  #token: Promise<string> | undefined

  constructor (user: string) {
    this.user = user
  }

  /** Asks for something in the name of the user. */
  async ask (path: string, init: RequestInit = {}): Promise<Response> {
    return await check(await fetch(path, { ...init, headers: { authorization: `Bearer ${await this.getToken()}` } }))
  }

  /** For each attempt to connect. */
  readonly getTicket = async ({ signal }: AttemptContext): Promise<Response> => await this.ask('/ws/ticket', { method: 'POST', signal })

  /** A new JWT: the last one may have expired while the computer slept. Who asks while one is under way gets that. */
  readonly getToken = async (): Promise<string> => await (this.#token ??= this.#renew().finally(() => { this.#token = undefined }))

  async #renew (): Promise<string> {
    const response = await check(await fetch('/session', { method: 'POST', signal: AbortSignal.timeout(PATIENCE) }))
    const { user, token } = await response.json()
    // In another tab, somebody else has logged in.
    if (user !== this.user) throw new Refused(401)
    return token
  }
}

/** An answer that is none. The client decides by its `status` whether to come back. */
export class Refused extends Error {
  readonly status: number

  constructor (status: number) {
    super(`HTTP ${status}`)
    this.status = status
  }
}

export async function logIn (name: string, password: string): Promise<Session> {
  const headers = { 'content-type': 'application/json' }
  const response = await check(await fetch('/login', { method: 'POST', headers, body: JSON.stringify({ name, password }) }))
  return new Session((await response.json()).user)
}

/** Who was logged in before the page was loaded again; `null` for nobody. */
export async function restore (): Promise<Session | null> {
  const response = await fetch('/session', { method: 'POST' })
  return response.status === 401 ? null : new Session((await (await check(response)).json()).user)
}

async function check (response: Response): Promise<Response> {
  if (!response.ok) throw new Refused(response.status)
  return response
}
