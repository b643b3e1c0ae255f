import type { WebSocket } from 'ws'
import { asAnswer, webSocketOf } from './client-socket.js'
import { Connection, isAnswer, type NextOptions } from './connection.js'
import type { Cookies } from './cookies.js'
import type { ClientOptions, DeviceHost, DeviceOptions, OpenOptions, RequestOptions } from './device-options.js'
import { WSA_TESTING_ERR_CLOSED, WSA_TESTING_ERR_DEVICE_CLOSED, WSA_TESTING_ERR_LOGIN_ANSWER, WSA_TESTING_ERR_REFUSED } from './errors.js'
import { Login } from './login.js'
import type { Match, Message } from './match.js'
import { within } from './real-time.js'
import type { Aim } from './reach.js'
import type { Relay } from './relay.js'
import { aimAtNobody } from './transport.js'

/** A browser or program of one user: it has a login, cookies, and any number of connections. */
export class Device implements AsyncDisposable {
  /** The user; `null` for nobody. */
  readonly subject: string | null
  /** Where it is, and how it shows who it is. */
  readonly options: DeviceOptions
  /** Its connections, closed ones included. */
  readonly connections: Connection[] = []
  #host: DeviceHost
  #relay: Relay | undefined
  readonly #login: Login
  /** Sockets that have not closed, those that are not open yet included. */
  readonly #sockets = new Set<WebSocket>()
  /** Ends the clients that {@link Device.clientOptions} was called for. */
  #clients = new AbortController()

  /** @internal */
  constructor (host: DeviceHost, subject: string | null, options: DeviceOptions) {
    this.#host = host
    this.#relay = options.relay
    this.subject = subject
    this.options = options
    this.#login = new Login(subject, options)
    host.group.devices.add(this)
  }

  /** Its cookies. */
  get cookies (): Cookies {
    return this.#login.cookies
  }

  /** The server that it talks to. @internal */
  get host (): object {
    return this.#host
  }

  /**
   * From now on it talks to another node, with the same login. What is open stays where it is; a client of {@link Device.clientOptions} goes
   * to the other node when it connects again.
   *
   * @param options `relay`: one in front of that node. The relay of before leads to the node of before, and is left
   */
  moveTo (node: DeviceHost, { relay }: Pick<DeviceOptions, 'relay'> = {}): this {
    this.#host.group.devices.delete(this)
    node.group.devices.add(this)
    this.#host = node
    this.#relay = relay
    return this
  }

  /**
   * Its JWT. The first call signs it, unless `login` has brought one.
   *
   * @throws {@link WSA_TESTING_ERR_NO_LOGIN} when nobody can
   */
  async token (): Promise<string> {
    return await this.#login.token(this.#host)
  }

  /**
   * Signs a JWT of this user, and leaves that of the device as it is: for a refresh, or for somebody else's.
   *
   * @param claims further claims
   * @throws {@link WSA_TESTING_ERR_NO_LOGIN} when nobody can
   */
  async sign (claims: Record<string, unknown> = {}): Promise<string> {
    return await this.#login.sign(this.#host, claims)
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
    if (typeof token === 'string') this.#login.take(token)
    else if (this.cookies.header === before) throw new WSA_TESTING_ERR_LOGIN_ANSWER(path)
    return answer
  }

  /** Forgets its login, on its own side only. The next one is new. */
  forget (): void {
    this.#login.forget()
  }

  /** Sends a request with what the device has: its cookies and its JWT, if there is one or can be. */
  async request (path: string, options: RequestOptions = {}): Promise<Response> {
    return await this.#send(path, options, await this.#login.credentials(this.#host))
  }

  async #send (path: string, { method, headers = {}, body, timeout }: RequestOptions, credentials: Record<string, string>): Promise<Response> {
    const isText = typeof body === 'string' || body === undefined
    const { reach, group } = this.#host
    const response = await within(timeout ?? group.timeout, `An answer of ${path}`, reach.fetch(path, {
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
    return await this.#read(path, options, await this.#login.credentials(this.#host))
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
    if (this.options.cookie !== undefined) await this.#login.credentials(this.#host)
    const headers: Record<string, string> = { ...this.#origin }
    let target = path
    const offered = [...protocols]
    if (doors === 'both' || doors === 'one') target = await this.#addCredential(path, headers, offered, options)
    // A ticket in a cookie goes beside those that the device has.
    const cookie = [this.cookies.header, headers.cookie].filter(Boolean).join('; ')
    const { reach, group } = this.#host
    let connection: Connection | undefined
    await within(options.timeout ?? group.timeout, `An answer to the upgrade of ${path}`, reach.open({
      ...this.#aim(target, offered, { ...headers, ...cookie !== '' && { cookie }, ...options.headers }),
      attach: socket => {
        connection = this.#connect(socket)
        // One of `injectWS` cannot be broken before it is open, and has no URL.
        if (socket.url === undefined) socket.once('open', () => this.#keep(socket))
        else this.#keep(socket)
      }
    }))
    const made = connection as unknown as Connection
    this.connections.push(made)
    if (made.isOpen) group.connections.add(made)
    if (doors === 'both' || doors === 'two') {
      made.send({ type: 'auth', token: options.token ?? await this.token(), ...auth })
      made.welcomed(await made.next(isAnswer, options))
      if (made.welcome.type === 'auth_error') {
        const { code, reason } = await made.closed
        throw new WSA_TESTING_ERR_CLOSED(this.#name, code, reason)
      }
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

  /**
   * Options for `connect` of `@fastify-airlock/client`, to test with the client that pages have. Its sockets go where those of `open` go,
   * at each reconnection: to the node of {@link Device.moveTo}, by the relay, with the cookies, the `Origin` and the address of the device. They
   * are in {@link Device.connections} once they are open, with all that the client gets in their `inbox`. The client is closed together with
   * the device or its server; one that gets a `signal` of its own ends then as well, by the error of its next attempt. For a refresh it gets a new JWT of
   * the same login.
   *
   * @param path where
   * @default path '/ws'
   */
  clientOptions (path = '/ws'): ClientOptions {
    const { signal } = this.#clients
    return {
      url: `${this.#host.reach.origin.replace('http', 'ws')}${path}`,
      WebSocket: webSocketOf({
        aim: (path, protocols) => signal.aborted ? aimAtNobody() : this.#host.reach.aim(this.#aim(path, protocols, { ...this.#origin, ...this.#login.cookie })),
        attach: socket => { this.#attachClient(socket) }
      }),
      getTicket: async () => {
        signal.throwIfAborted()
        return await this.ticket().catch(error => { throw asAnswer(error) })
      },
      getToken: async ({ reason = 'connect' } = {}) => {
        signal.throwIfAborted()
        return await (reason === 'connect' ? this.token() : this.#login.renewed(this.#host))
      },
      signal
    }
  }

  /** Waits for a message on each open connection. Rejects as {@link Connection.next} does. */
  async nextOnAll (match?: Match, options?: NextOptions): Promise<Message[]> {
    return await Promise.all(this.connections.filter(({ isOpen }) => isOpen).map(connection => connection.next(match, options)))
  }

  /** Breaks all of its connections, and closes the clients that have its {@link Device.clientOptions}. */
  async close (): Promise<void> {
    // Broken first, or a client would say goodbye.
    for (const socket of this.#sockets) socket.terminate()
    this.#clients.abort(new WSA_TESTING_ERR_DEVICE_CLOSED(this.#name))
    this.#clients = new AbortController()
    await Promise.all([...this.#sockets].map(socket => new Promise(resolve => socket.once('close', resolve))))
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

  #aim (path: string, protocols: string[], headers: Record<string, string>): Aim {
    return { path, protocols, headers, address: this.#address, port: this.#relay?.port }
  }

  #connect (socket: WebSocket): Connection {
    const relay = this.#relay
    return new Connection(socket, this.#name, this.#host.group, () => relay?.flows ?? true)
  }

  /** Sees to it that a socket ends with the device and with its server. */
  #keep (socket: WebSocket): void {
    this.#host.reach.hold(socket)
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #attachClient (socket: WebSocket): void {
    const { group } = this.#host
    const connection = this.#connect(socket)
    connection.belongsToClient()
    this.#keep(socket)
    // The client listens by `onerror`; a library that does not listen gets what a browser would give it.
    socket.on('error', () => {})
    socket.once('open', () => {
      this.connections.push(connection)
      group.connections.add(connection)
    })
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
