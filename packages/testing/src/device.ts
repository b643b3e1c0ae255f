import { randomUUID } from 'node:crypto'
import type { WebSocket } from 'ws'
import { Connection } from './connection.js'
import { Cookies } from './cookies.js'
import type { ClientOptions, DeviceHost, DeviceOptions, OpenOptions, RequestOptions } from './device-options.js'
import { WSA_TESTING_ERR_CLOSED, WSA_TESTING_ERR_LOGIN_ANSWER, WSA_TESTING_ERR_NO_LOGIN, WSA_TESTING_ERR_REFUSED } from './errors.js'
import type { Match, Message } from './match.js'
import { within } from './real-time.js'

/** A browser or program of one user: it has a login, cookies, and any number of connections. */
export class Device implements AsyncDisposable {
  /** The user; `null` for nobody. */
  readonly subject: string | null
  /** Its cookies. */
  readonly cookies = new Cookies()
  /** Where it is, and how it shows who it is. */
  readonly options: DeviceOptions
  /** Its connections, closed ones included. */
  readonly connections: Connection[] = []
  #host: DeviceHost
  #token: string | null = null
  #signing: Promise<string> | null = null
  #sid = randomUUID()

  /** @internal */
  constructor (host: DeviceHost, subject: string | null, options: DeviceOptions) {
    this.#host = host
    this.subject = subject
    this.options = options
  }

  /** From now on it talks to another node, with the same login. */
  moveTo (node: DeviceHost): this {
    this.#host = node
    return this
  }

  /**
   * Its JWT. The first call signs it, unless `login` has brought one.
   *
   * @throws {@link WSA_TESTING_ERR_NO_LOGIN} when nobody can
   */
  async token (): Promise<string> {
    if (this.#token !== null) return this.#token
    this.#signing ??= this.sign()
    return await this.#signing
  }

  /**
   * Signs a JWT of this user, and leaves that of the device as it is: for a refresh, or for somebody else's.
   *
   * @param claims further claims
   * @throws {@link WSA_TESTING_ERR_NO_LOGIN} when nobody can
   */
  async sign (claims: Record<string, unknown> = {}): Promise<string> {
    const { sign, app } = this.#host
    if (this.subject === null) throw new WSA_TESTING_ERR_NO_LOGIN('nobody')
    const { life = 600_000, claims: own } = this.options
    const iat = Math.floor(Date.now() / 1_000)
    const all = { sub: this.subject, sid: this.#sid, iat, exp: iat + Math.floor(life / 1_000), ...own, ...claims }
    if (sign !== undefined) return await sign(all)
    const { jwt } = app as { jwt?: { sign (claims: object): string } }
    if (jwt === undefined) throw new WSA_TESTING_ERR_NO_LOGIN(this.subject)
    return jwt.sign(all)
  }

  /**
   * Logs in as a user does. The device keeps the cookies, and the token that the answer has.
   *
   * @param path where
   * @param body such as a name and a password
   * @param tokenOf reads the token from the answer's JSON
   * @default tokenOf its member `token`
   * @returns the answer's JSON; `null` if it has none
   * @throws {@link WSA_TESTING_ERR_REFUSED} when the status is none of 200 to 299
   * @throws {@link WSA_TESTING_ERR_LOGIN_ANSWER} when there is neither a token nor a cookie
   */
  async login (path: string, body: unknown, tokenOf: (answer: any) => unknown = answer => answer?.token): Promise<any> {
    const before = this.cookies.header
    const answer = await this.#read(path, { method: 'POST', body }, {})
    const token = tokenOf(answer)
    if (typeof token === 'string') this.#token = token
    else if (this.cookies.header === before) throw new WSA_TESTING_ERR_LOGIN_ANSWER(path)
    return answer
  }

  /** Forgets its login, on its own side only. The next one is new. */
  forget (): void {
    this.#token = null
    this.#signing = null
    this.#sid = randomUUID()
    this.cookies.clear()
  }

  /** Sends a request with what the device has: its cookies and its JWT, if there is one or can be. */
  async request (path: string, options: RequestOptions = {}): Promise<Response> {
    return await this.#send(path, options, await this.#credentials())
  }

  async #send (path: string, { method, headers = {}, body }: RequestOptions, credentials: Record<string, string>): Promise<Response> {
    const isText = typeof body === 'string' || body === undefined
    const { reach, group: { timeout } } = this.#host
    const response = await within(timeout, `An answer of ${path}`, reach.fetch(path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      address: this.#address,
      headers: {
        ...credentials,
        ...this.#origin,
        ...!isText && { 'content-type': 'application/json' },
        ...headers
      },
      body: isText ? body : JSON.stringify(body)
    }))
    this.cookies.take(response.headers.getSetCookie())
    return response
  }

  /**
   * Sends a request, and reads the JSON of its answer; `null` if that is empty.
   *
   * @throws {@link WSA_TESTING_ERR_REFUSED} when the status is none of 200 to 299
   */
  async json (path: string, options: RequestOptions = {}): Promise<any> {
    return await this.#read(path, options, await this.#credentials())
  }

  async #read (path: string, options: RequestOptions, credentials: Record<string, string>): Promise<any> {
    const response = await this.#send(path, options, credentials)
    const body = await response.text()
    if (!response.ok) {
      const { status, headers } = response
      throw new WSA_TESTING_ERR_REFUSED(`${options.method ?? (options.body === undefined ? 'GET' : 'POST')} ${path}`, { status, headers: Object.fromEntries(headers), body })
    }
    return body === '' ? null : JSON.parse(body)
  }

  /**
   * Requests a ticket.
   *
   * @throws {@link WSA_TESTING_ERR_REFUSED} when it gets none
   */
  async ticket (audience?: string): Promise<{ ticket: string, protocol: string, expiresIn: number }> {
    return await this.json(this.#host.ticketPath, { method: 'POST', ...audience !== undefined && { body: { audience } } })
  }

  /**
   * Opens a WebSocket, through the doors of its route.
   *
   * @param path where
   * @default path '/ws'
   * @throws {@link WSA_TESTING_ERR_REFUSED} when there is no ticket, or no 101
   * @throws {@link WSA_TESTING_ERR_CLOSED} when the first frame is refused; `closeCode` and `reason` say why
   */
  async open (path = '/ws', options: OpenOptions = {}): Promise<Connection> {
    const { doors = 'both', auth = {}, protocols = doors === 'none' ? [] : ['airlock.v1'] } = options
    if (this.options.cookie !== undefined) await this.#credentials()
    const headers: Record<string, string> = { ...this.#origin }
    let target = path
    const offered = [...protocols]
    if (doors === 'both' || doors === 'one') target = await this.#addCredential(path, headers, offered, options)
    // A ticket in a cookie goes beside those that the device has.
    const cookie = [this.cookies.header, headers.cookie].filter(Boolean).join('; ')
    const { reach, group } = this.#host
    const { relay } = this.options
    let connection: Connection | undefined
    await within(group.timeout, `An answer to the upgrade of ${path}`, reach.open({
      path: target,
      protocols: offered,
      headers: { ...headers, ...cookie !== '' && { cookie }, ...options.headers },
      address: this.#address,
      port: relay?.port,
      attach: (socket: WebSocket) => { connection = new Connection(socket, this.#name, group, () => relay?.flows ?? true) }
    }))
    const made = connection as unknown as Connection
    this.connections.push(made)
    if (made.isOpen) group.connections.add(made)
    if (doors === 'both' || doors === 'two') {
      made.send({ type: 'auth', token: options.token ?? await this.token(), ...auth })
      made.welcome = await made.next(isAnswer)
      if (made.welcome.type === 'auth_error') {
        const { code, reason } = await made.closed
        throw new WSA_TESTING_ERR_CLOSED(this.#name, code, reason)
      }
      made.user = made.welcome.user
    }
    return made
  }

  /**
   * Opens a WebSocket, and waits for what should refuse it.
   *
   * @returns the error, whose `status` or `closeCode` tells how
   */
  async refused (path?: string, options?: OpenOptions): Promise<any> {
    return await this.open(path, options).then(connection => connection.drop().then(() => null), error => error)
  }

  /** Options for `connect` of `@fastify-airlock/client`, to test with the client that pages have. */
  clientOptions (path = '/ws'): ClientOptions {
    const { reach } = this.#host
    return {
      url: `${reach.origin.replace('http', 'ws')}${path}`,
      WebSocket: reach.WebSocket,
      getTicket: async () => await this.ticket(),
      getToken: async () => await this.token()
    }
  }

  /** Waits for a message on each open connection. */
  async nextOnAll (match?: Match): Promise<Message[]> {
    return await Promise.all(this.connections.filter(({ isOpen }) => isOpen).map(connection => connection.next(match)))
  }

  /** Breaks all of its connections. */
  async close (): Promise<void> {
    await Promise.all(this.connections.map(connection => connection.drop()))
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.close()
  }

  get #name (): string {
    return this.subject ?? 'nobody'
  }

  get #address (): string {
    return this.options.address ?? '127.0.0.1'
  }

  get #origin (): { origin?: string } {
    const { origin = this.cookies.size > 0 || this.options.cookie !== undefined ? this.#host.reach.origin : null } = this.options
    return origin === null ? {} : { origin }
  }

  /** What a request shows. A device that has neither a token nor a way to get one shows its cookies alone. */
  async #credentials (): Promise<Record<string, string>> {
    const { cookie } = this.options
    const token = this.#token ?? (this.cookies.size > 0 && cookie === undefined ? null : await this.token().catch(() => null))
    if (token !== null && cookie !== undefined) this.cookies.set(cookie, token)
    return {
      ...token !== null && cookie === undefined && { authorization: `Bearer ${token}` },
      ...this.cookies.size > 0 && { cookie: this.cookies.header }
    }
  }

  /** Puts the credential of door one where it travels. Returns the path. */
  async #addCredential (path: string, headers: Record<string, string>, protocols: string[], options: OpenOptions): Promise<string> {
    const { carrier = 'subprotocol', name = 'ticket', audience } = options
    if (carrier === 'header' || carrier === 'bearer') {
      const token = await this.token()
      if (carrier === 'header') headers.authorization = `Bearer ${token}`
      else protocols.push(`bearer.${token}`)
      return path
    }
    const ticket = options.ticket ?? (await this.ticket(audience)).ticket
    switch (carrier) {
      case 'subprotocol': protocols.push(`ticket.${ticket}`); return path
      case 'query': return `${path}${path.includes('?') ? '&' : '?'}${name}=${ticket}`
      case 'cookie': headers.cookie = `${name}=${ticket}`; headers.origin ??= this.#host.reach.origin; return path
    }
  }
}

/** Nothing else may come before. */
function isAnswer (message: Message): boolean {
  return message?.type === 'auth_ok' || message?.type === 'auth_error'
}
