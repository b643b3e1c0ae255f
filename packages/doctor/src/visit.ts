import { isDeepStrictEqual } from 'node:util'
import type { TLSSocket } from 'node:tls'
import { Obstacle } from './errors.js'
import type { Allowance } from './gate.js'
import { exchange, type HttpAnswer, type HttpRequest } from './http.js'
import type { Notes } from './notes.js'
import type { DoctorSettings } from './options.js'
import { type Message, Peer } from './peer.js'
import type { Secrets } from './secrets.js'
import { type Upgrade, upgradeHead, type UpgradeShape } from './upgrade.js'
import { Connection, dial, type Endpoint } from './wire.js'

/** What all visits of an examination have in common. */
export interface Common {
  settings: DoctorSettings
  secrets: Secrets
  notes: Notes
  /** For requests that are sent again when the server says "too many". */
  reserve: Allowance
  sleep: (ms: number) => Promise<void>
  /** Whether an honest client gets through all doors. */
  canBeLetIn: boolean
  /** Called when the connection is open that waits for a restart. */
  onDrain: () => void
}

/** An answer of the ticket route. */
export interface TicketAnswer extends HttpAnswer {
  ticket: string | null
  /** In seconds. */
  expiresIn: number
}

/** What a probe may do: a visitor of the server, with an allowance of requests. */
export class Visit {
  readonly settings: DoctorSettings
  readonly secrets: Secrets
  readonly notes: Notes
  readonly #common: Common
  readonly #allowance: Allowance
  readonly #open = new Set<{ destroy (): void }>()

  constructor (common: Common, allowance: Allowance) {
    this.#common = common
    this.#allowance = allowance
    this.settings = common.settings
    this.secrets = common.secrets
    this.notes = common.notes
  }

  /** Whether the doctor can get tickets. */
  get hasTickets (): boolean {
    const { ticketUrl, token, cookie } = this.settings
    return ticketUrl !== undefined && (token !== undefined || cookie !== undefined)
  }

  /** How long to wait for what has to happen, in milliseconds. */
  get patience (): number {
    return this.settings.patience
  }

  async sleep (ms: number): Promise<void> {
    await this.#common.sleep(ms)
  }

  /** Whether an honest client gets through all doors. */
  get canBeLetIn (): boolean {
    return this.#common.canBeLetIn
  }

  announceDrain (): void {
    this.#common.onDrain()
  }

  /** Where the connections to a URL go. */
  endpoint (url: URL): Endpoint {
    const { connectTo, ca, insecure } = this.settings
    const tls = url.protocol === 'wss:' || url.protocol === 'https:'
    const hostname = url.hostname.replace(/^\[|\]$/g, '')
    const split = connectTo?.lastIndexOf(':') ?? -1
    return {
      host: connectTo?.slice(0, split) ?? hostname,
      port: Number(connectTo?.slice(split + 1) ?? (url.port || (tls ? 443 : 80))),
      tlsName: tls ? hostname : null,
      ca,
      insecure
    }
  }

  /** Opens a connection, and closes it with the visit. */
  async connect (url: URL, more: Parameters<typeof dial>[2] = {}): Promise<TLSSocket> {
    await this.#allowance.take()
    const socket = await dial(this.endpoint(url), this.patience, more)
    this.#open.add(socket)
    return socket as TLSSocket
  }

  async http (request: HttpRequest): Promise<HttpAnswer> {
    const answer = await exchange(await this.connect(request.url), request, this.patience)
    this.notes.answered(answer.status, answer.headers['retry-after'])
    return answer
  }

  /** Asks for a ticket, and may get none. */
  async askForTicket ({ method = 'POST', headers = this.login(), body }: Partial<HttpRequest> = {}): Promise<TicketAnswer> {
    const answer = await this.http({ method, url: this.settings.ticketUrl as URL, headers, ...(body !== undefined && { body }) })
    const { ticket, expiresIn } = readTicket(answer.body)
    if (ticket !== null) this.secrets.add(ticket, 'ticket')
    return { ...answer, ticket, expiresIn }
  }

  /** How the ticket route knows the user. */
  login (): Record<string, string> {
    const { token, cookie } = this.settings
    return { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(cookie !== undefined && { cookie }), origin: this.settings.origin }
  }

  /**
   * Gets a ticket. Where the server says "too many", waits as long as it says.
   *
   * @throws {@link Obstacle} when there is none
   */
  async ticket (): Promise<{ ticket: string, expiresIn: number }> {
    let answer = await this.askForTicket()
    while (answer.status === 429 && this.#common.reserve.left > 0) {
      await this.#common.sleep(1_000 * (Number(answer.headers['retry-after']) || 1))
      await this.#common.reserve.take()
      answer = readTicketAnswer(await exchange(await dial(this.endpoint(this.settings.ticketUrl as URL), this.patience), {
        method: 'POST', url: this.settings.ticketUrl as URL, headers: this.login()
      }, this.patience))
    }
    const { ticket, expiresIn, status } = answer
    if (ticket === null) throw new Obstacle(`the ticket route answered HTTP ${status}, without a ticket`)
    this.secrets.add(ticket, 'ticket')
    return { ticket, expiresIn }
  }

  /** What an honest client shows on the upgrade; `null` where it shows nothing. */
  async credential (): Promise<string | null> {
    const { token, carrier } = this.settings
    if (this.hasTickets) return (await this.ticket()).ticket
    return carrier === 'none' ? null : token ?? null
  }

  /** Opens a connection for an upgrade; the request is sent by the function that comes back. */
  async prepare (shape: UpgradeShape): Promise<() => Promise<Upgrade>> {
    const connection = new Connection(await this.connect(shape.url ?? this.settings.url))
    return async () => {
      connection.write(upgradeHead(shape, this.settings))
      const head = await connection.head(this.patience) ?? { status: 0, headers: {} }
      this.notes.answered(head.status, head.headers['retry-after']?.[0])
      if (head.status === 101) return { ...head, connection, body: '', peer: new Peer(connection) }
      const body = head.status === 0 ? '' : await connection.body(head, this.patience)
      return { ...head, connection, body, peer: null }
    }
  }

  /** Tries an upgrade. */
  async upgrade (shape: UpgradeShape): Promise<Upgrade> {
    return await (await this.prepare(shape))()
  }

  /**
   * Opens a WebSocket as an honest client.
   *
   * @throws {@link Obstacle} when it is refused
   */
  async enter (shape: Partial<UpgradeShape> = {}): Promise<Peer> {
    const { peer, status } = await this.upgrade({ credential: await this.credential(), ...shape })
    if (peer === null) throw new Obstacle(`an honest upgrade was refused: ${describeStatus(status)}`)
    return peer
  }

  /**
   * Opens a WebSocket, and shows the JWT in the first frame.
   *
   * @param token @default that of the options
   * @throws {@link Obstacle} when it is refused
   */
  async beLetIn (token: string = this.settings.token as string): Promise<Peer> {
    const peer = await this.enter()
    peer.send(this.auth(token))
    if (await this.welcome(peer) === undefined) throw new Obstacle(`an honest first frame was refused: ${await this.describeEnd(peer)}`)
    return peer
  }

  /** The first frame. */
  auth (token: string): string {
    return this.settings.authMessage.replaceAll('%TOKEN%', token)
  }

  isWelcome ({ json }: Message): boolean {
    return hasMembers(json, this.settings.authOk)
  }

  /** Waits for `auth_ok`; `undefined` when it does not come. */
  async welcome (peer: Peer): Promise<Message | undefined> {
    return await peer.message(message => this.isWelcome(message), this.settings.authTimeout + this.patience)
  }

  /** How a connection has ended, in words. */
  async describeEnd (peer: Peer): Promise<string> {
    const ending = await peer.ending(0)
    if (ending === undefined) return 'the connection is still open'
    return ending.code === 1006 ? 'the connection was cut' : `closed with ${ending.code}${ending.reason === '' ? '' : ` "${ending.reason}"`}`
  }

  /** Closes what is still open. */
  end (): void {
    for (const socket of this.#open) socket.destroy()
  }
}

/** Whether a value has these members, and perhaps more. */
export function hasMembers (value: unknown, members: Record<string, unknown>): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(members).every(([name, expected]) => isDeepStrictEqual((value as Record<string, unknown>)[name], expected))
}

/** An HTTP status in words. */
export function describeStatus (status: number): string {
  return status === 0 ? 'no answer' : `HTTP ${status}`
}

function readTicketAnswer (answer: HttpAnswer): TicketAnswer {
  return { ...answer, ...readTicket(answer.body) }
}

function readTicket (body: string): { ticket: string | null, expiresIn: number } {
  try {
    const { ticket, expiresIn } = JSON.parse(body) as { ticket?: unknown, expiresIn?: unknown }
    return { ticket: typeof ticket === 'string' && ticket !== '' ? ticket : null, expiresIn: typeof expiresIn === 'number' ? expiresIn : 0 }
  } catch {
    return { ticket: null, expiresIn: 0 }
  }
}
