import { announceIdentityChange, grants, isThenable, type Metered, ofServer, type WsIdentity } from '@fastify-airlock/core'
import type { AuthMessage, AuthOkMessage, ClientMessage, MessageRate, PresenceOffer, ServerMessage, TopicsOffer } from '@fastify-airlock/protocol'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import type { RawData } from 'ws'
import { auditProof } from './audit.js'
import type { Proof } from './check.js'
import { Connection } from './connection.js'
import { readControl } from './control.js'
import type { EarlyFrames } from './early-frames.js'
import { channels, type HandshakeOpenEvent } from './events.js'
import type { Deadline, Expirable } from './expiry.js'
import { limitMessages, releaseMessages, sendText } from './internals.js'
import { PendingHandler } from './pending-handler.js'
import { REFUSALS } from './refusal.js'
import type { AuthenticatedRequest } from './types.js'

const AUTHORIZES_MESSAGE = grants('authorizeMessage')

/** The part of the hub's decorator that is used. */
interface Hub {
  readonly messageRate?: MessageRate | false
  add (socket: WebSocket, identity: WsIdentity): unknown
}

/** The part of the decorator of the plugin for topics that is used. */
interface Topics {
  readonly offer: TopicsOffer
  accept (socket: WebSocket): unknown
}

/** What is used of the decorator of the presence plugin. */
interface Presence {
  readonly offer: PresenceOffer
  accept (socket: WebSocket): unknown
}

/** What a client wants to be told in `auth_ok`. */
export type Asked = Omit<AuthMessage, 'type' | 'token'>

/** An authenticated connection, until it closes. */
export class Session extends Connection implements Expirable, Metered {
  exp = 0
  warned = false
  /** The state of the limit of refreshes. */
  paidUntil: number | null = null
  /** A refresh under way, which has a deadline once it is awaited. */
  #refresh: Deadline | null = null
  /** An asynchronous handler that has not returned. */
  #handler: PendingHandler | null = null

  /**
   * Answers `auth_ok`, calls the handler and replays what came too early.
   *
   * @param startedAt time of the upgrade, in milliseconds of `performance.now()`
   * @param early what came while the token was checked
   */
  open (proof: Proof, startedAt: number, early: EarlyFrames | null, asked: Asked): void {
    const { context, socket } = this
    const { settings, handler } = context
    const request = this.request as FastifyRequest
    const identity = this.#adopt(proof)
    limitMessages(socket, Infinity)
    const hub = settings.hub ? (request.server as { wsHub?: Hub }).wsHub : undefined
    try {
      const answer: AuthOkMessage = { type: 'auth_ok', user: settings.describeUser(identity), expiresAt: this.#expiresAt }
      const signs = asked.alive === true ? context.signs : null
      if (signs !== null) answer.alive = settings.alive as number
      if (asked.messageRate && hub?.messageRate) answer.messageRate = hub.messageRate
      const topics = asked.topics === true && hub !== undefined ? (request.server as { wsTopics?: Topics }).wsTopics : undefined
      if (topics !== undefined) answer.topics = topics.offer
      const presence = asked.presence === true && hub !== undefined ? (request.server as { wsPresence?: Presence }).wsPresence : undefined
      if (presence !== undefined) answer.presence = presence.offer
      this.#send(answer)
      signs?.watch(socket, request.raw.socket)
      if (channels.open.hasSubscribers) {
        channels.open.publish(ofServer({ duration: performance.now() - startedAt }, context.server) satisfies HandshakeOpenEvent)
      }
      auditProof('auth.accepted', this)
      context.expiry.start(this, proof.token.issuedAt)
      hub?.add(socket, identity)
      // The hub may have had a reason to close it.
      if (!this.isAlive()) return
      topics?.accept(socket)
      presence?.accept(socket)
      const otherListeners = socket.listenerCount('message')
      const result = handler.call(request.server, socket, request as AuthenticatedRequest)
      // Letting go of the request frees most of what an idle connection costs.
      if (!context.keepsRequest) this.request = null
      if (isThenable(result)) this.#awaitHandler(result, otherListeners)
      else releaseMessages(socket)
    } catch (error) {
      return this.fail(error, 'websocket handler failed', 'close')
    }
    let frame
    while (this.isAlive() && (frame = early?.shift(socket.binaryType)) !== undefined) {
      this.receive(frame.data, frame.isBinary)
    }
  }

  expire (): void {
    this.context.expiry.advance(this)
  }

  warn (): void {
    this.#send({ type: 'expiring', expiresAt: this.#expiresAt })
  }

  refuseExpired (): void {
    this.refuse(REFUSALS.TOKEN_EXPIRED, 'close')
  }

  receive (data: RawData, isBinary: boolean): void {
    // ws goes on emitting what the peer sends until the peer answers the close frame.
    if (this.ended) return
    const message = readControl(data, isBinary, this.context.settings.maxAuthBytes)
    if (message !== null) this.#control(message)
    else if (this.#handler === null) this.deliver(data, isBinary)
    else this.#handler.receive(data, isBinary)
  }

  /** Nothing but the server's `maxPayload` holds the messages of an authenticated client: `ws` tells the listeners. */
  overlong (): boolean {
    return false
  }

  growing (bytes: number): void {
    this.#handler?.growing(bytes)
  }

  /** Passes a message on to the listeners, if the client may send it. */
  deliver (data: RawData, isBinary: boolean): void {
    const { authorizeMessage } = this.context.settings
    if (authorizeMessage !== undefined) {
      try {
        const yes = authorizeMessage(this.identity as WsIdentity, data as Buffer, isBinary, this.request as FastifyRequest)
        if (!this.context.misuse.isGrantedNow(AUTHORIZES_MESSAGE, yes)) return this.refuse(REFUSALS.NOT_AUTHORIZED, 'close')
      } catch (error) {
        return this.fail(error, 'websocket message authorization failed', 'close')
      }
    }
    this.pass.call(this.socket, 'message', data, isBinary)
  }

  unheard (): void {
    this.refuse(REFUSALS.QUEUE_FULL, 'close')
  }

  protected get proves (): 'refresh' {
    return 'refresh'
  }

  protected began (): number {
    return performance.now()
  }

  /** Accepts a refresh. */
  protected accept (proof: Proof): void {
    this.#endRefresh()
    // Before the answer: what the new claims no longer allow is over when the client reads it.
    announceIdentityChange(this.#adopt(proof))
    if (!this.isAlive()) return
    this.#send({ type: 'refresh_ok', expiresAt: this.#expiresAt })
    auditProof('refresh.accepted', this)
    this.context.expiry.start(this, proof.token.issuedAt)
  }

  protected override end (): void {
    super.end()
    this.#endRefresh()
    this.#handler?.discard()
    this.#handler = null
  }

  protected awaitCheck (): void {
    const { sweep, settings } = this.context
    sweep.set(this.#refresh as Deadline, settings.authTimeout)
  }

  #endRefresh (): void {
    if (this.#refresh !== null) this.context.sweep.clear(this.#refresh)
    this.#refresh = null
  }

  #awaitHandler (result: PromiseLike<unknown>, otherListeners: number): void {
    this.#handler = new PendingHandler(this.socket, this, this.context, otherListeners)
    result.then(() => this.#settleHandler(), error => this.fail(error, 'websocket handler failed', 'close'))
  }

  #settleHandler (): void {
    this.#handler?.settle()
    this.#handler = null
    releaseMessages(this.socket)
  }

  /** Puts a proof into force, in place: everybody who holds the identity sees the change. */
  #adopt ({ identity, token, scopes }: Proof): WsIdentity {
    this.exp = token.expiresAt / 1000
    this.scopes = scopes
    this.identity = this.identity === null ? identity : Object.assign(this.identity, identity)
    if (this.request !== null) this.request.wsIdentity = this.identity
    return this.identity
  }

  /** When the token in force expires, in milliseconds since the epoch. */
  get #expiresAt (): number {
    return this.exp * 1000
  }

  #control (message: ClientMessage): void {
    if (message.type === 'auth') return this.refuse(REFUSALS.ALREADY_AUTHENTICATED, 'auth')
    if (this.#refresh !== null) return this.refuse(REFUSALS.REFRESH_PENDING)
    if (!this.context.refreshLimit.take(this, performance.now())) return this.refuse(REFUSALS.TOO_MANY_REFRESHES)
    this.#refresh = { due: 0, expire: () => this.refuseLate(true) }
    this.checkInTurn(message.token)
  }

  #send (message: ServerMessage): void {
    sendText(this.socket, JSON.stringify(message), this.log)
  }
}
