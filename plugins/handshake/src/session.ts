import { isThenable, type Sweepable, Turn, type WsClaims, type WsIdentity } from '@fastify-airlock/core'
import type { ClientMessage, ServerMessage } from '@fastify-airlock/protocol'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { RawData } from 'ws'
import type { Claimant, Proof, Verdict } from './check.js'
import { readControl } from './control.js'
import type { EarlyFrames } from './early-frames.js'
import { type HandshakeOpenEvent, type HandshakeRefuseEvent, opened, refused } from './events.js'
import { expiringDelay } from './expiry.js'
import { gate, type Gatekeeper } from './gate.js'
import { PendingHandler, type Recipient } from './pending-handler.js'
import { Refusal, REFUSALS } from './refusal.js'
import type { Hub, Route } from './route.js'
import { sendText } from './internals.js'
import type { Claims } from './scope.js'
import type { AuthenticatedRequest } from './types.js'

const TEXT = { binary: false }

/** How many refreshes a client may send at once. */
const REFRESH_BURST = 20

/** What is known of a connection until it is authenticated. */
interface Pending {
  readonly startedAt: number
  /** What came while the token is verified. */
  early: EarlyFrames | null
}

/**
 * One connection, from the upgrade to its end. It holds at most one deadline at a time: for `auth_ok`, then for
 * `expiring`, then for the end of the grace.
 */
export class Session implements Claimant, Gatekeeper, Recipient, Sweepable {
  due = 0
  /** Let go of once the handler has it, unless a hook of the route asks for it. */
  request: FastifyRequest | null
  readonly log: FastifyBaseLogger
  readonly pass: WebSocket['emit']
  readonly baseClaims: WsClaims | undefined
  identity: WsIdentity | null
  scopes: Claims | null = null
  readonly #route: Route
  readonly #socket: WebSocket
  #phase: 'waiting' | 'verifying' | 'open' | 'closed' = 'waiting'
  #pending: Pending | null = null
  /** The token's `exp`, in seconds: a whole number of milliseconds would be an object of its own. */
  #exp = 0
  /** `expiring` was sent for the token in force. */
  #warned = false
  #refreshing = false
  /** When the refreshes so far are paid for: the whole state of their limit. */
  #refreshesPaid = 0
  /** An asynchronous handler that has not returned. */
  #handler: PendingHandler | null = null

  /** Attaches at once: what the peer sent together with the upgrade is emitted in the next turn already. */
  constructor (route: Route, socket: WebSocket, request: FastifyRequest) {
    this.#route = route
    this.#socket = socket
    this.request = request
    this.log = request.log
    this.identity = request.wsIdentity
    this.baseClaims = claimsOf(request.wsIdentity)
    this.pass = socket.emit
    gate(socket, this)
  }

  /** Starts the wait for the first frame. */
  start (): void {
    const { options, pool, sweep } = this.#route
    if (!pool.acquire(this)) return this.#refuse(REFUSALS.TOO_MANY_PENDING)
    this.#pending = { startedAt: performance.now(), early: null }
    sweep.set(this, options.authTimeout)
  }

  /** The deadline has come. */
  expire (): void {
    if (this.#phase !== 'open') this.#refuse(REFUSALS.AUTH_TIMEOUT)
    else if (this.#warned) this.#refuse(REFUSALS.TOKEN_EXPIRED)
    else this.#warn()
  }

  receive (data: RawData, isBinary: boolean): void {
    switch (this.#phase) {
      case 'open':
        return this.#receiveOpen(data, isBinary)
      case 'waiting':
        return this.#authenticate(data, isBinary)
      case 'verifying': {
        const pending = this.#pending as Pending
        pending.early ??= this.#route.newQueue()
        if (!pending.early.push(data, isBinary)) this.overflow()
      }
      // Closed: ws goes on emitting what the peer sends until it answers the close frame.
    }
  }

  closed (): void {
    this.#end()
  }

  isAlive (): boolean {
    return this.#phase !== 'closed' && this.#socket.readyState === this.#socket.OPEN
  }

  deliver (data: RawData, isBinary: boolean): void {
    const { authorizeMessage } = this.#route.options
    if (authorizeMessage !== undefined) {
      try {
        const yes = authorizeMessage(this.identity as WsIdentity, data as Buffer, isBinary, this.request as FastifyRequest)
        if (yes !== true) return this.#refuse(REFUSALS.NOT_AUTHORISED)
      } catch (error) {
        return this.#fail(error, 'websocket message authorisation failed')
      }
    }
    this.pass.call(this.#socket, 'message', data, isBinary)
  }

  overflow (): void {
    this.#refuse(REFUSALS.QUEUE_FULL)
  }

  #authenticate (data: RawData, isBinary: boolean): void {
    const message = readControl(data, isBinary, this.#route.options.maxAuthBytes)
    if (message?.type !== 'auth') return this.#refuse(REFUSALS.AUTH_EXPECTED)
    this.#phase = 'verifying'
    this.#queueCheck(message.token)
  }

  /** In its turn: when everybody comes back at once, or all tokens expire at once, those who talk are served as well. */
  #queueCheck (jwt: string): void {
    this.#route.turnstile.enter(Turn.FIRST_FRAME, () => { if (this.isAlive()) this.#check(jwt) })
  }

  #check (jwt: string): void {
    let verdict: Verdict | Promise<Verdict>
    try {
      verdict = this.#route.check(jwt, this)
    } catch (error) {
      return this.#fail(error, 'websocket authentication failed')
    }
    if (!isThenable(verdict)) return this.#decide(verdict)
    verdict.then(
      verdict => this.#decide(verdict),
      error => this.#fail(error, 'websocket authentication failed')
    )
  }

  #decide (verdict: Verdict): void {
    if (verdict instanceof Refusal) return this.#refuse(verdict)
    if (!this.isAlive()) return
    if (this.#phase === 'verifying') this.#open(verdict)
    else this.#refreshed(verdict)
  }

  #open (proof: Proof): void {
    const request = this.request as FastifyRequest
    const route = this.#route
    const { options, handler } = route
    const socket = this.#socket
    const { startedAt, early } = this.#pending as Pending
    this.#phase = 'open'
    this.#release()
    const identity = this.#adopt(proof)
    try {
      this.#send({ type: 'auth_ok', user: options.describeUser(identity), expiresAt: this.#expiresAt })
      if (opened.hasSubscribers) opened.publish({ duration: performance.now() - startedAt } satisfies HandshakeOpenEvent)
      this.#schedule(proof.token.issuedAt)
      if (options.hub) (request.server as { wsHub?: Hub }).wsHub?.add(socket, identity)
      // The hub may have had a reason to close it.
      if (!this.isAlive()) return
      const otherListeners = socket.listenerCount('message')
      const result = handler.call(request.server, socket, request as AuthenticatedRequest)
      if (!route.asksForRequest) this.request = null
      if (isThenable(result)) this.#awaitHandler(result, otherListeners)
    } catch (error) {
      return this.#fail(error, 'websocket handler failed')
    }
    let frame
    while (this.isAlive() && (frame = early?.shift(socket.binaryType)) !== undefined) {
      this.#receiveOpen(frame.data, frame.isBinary)
    }
  }

  #awaitHandler (result: PromiseLike<unknown>, otherListeners: number): void {
    this.#handler = new PendingHandler(this.#socket, this, this.#route.newQueue, otherListeners)
    result.then(() => this.#releaseHandler(), error => this.#fail(error, 'websocket handler failed'))
  }

  #refreshed (proof: Proof): void {
    this.#refreshing = false
    this.#adopt(proof)
    this.#send({ type: 'refresh_ok', expiresAt: this.#expiresAt })
    this.#schedule(proof.token.issuedAt)
  }

  /** Puts a proof in force, in place: whoever holds the identity sees the change. */
  #adopt ({ identity, token, scopes }: Proof): WsIdentity {
    this.#exp = (token.claims as { exp: number }).exp
    this.scopes = scopes
    this.identity = this.identity === null ? identity : Object.assign(this.identity, identity)
    if (this.request !== null) this.request.wsIdentity = this.identity
    return this.identity
  }

  /** When the token in force expires, in milliseconds since the epoch. */
  get #expiresAt (): number {
    return this.#exp * 1000
  }

  #schedule (issuedAt: number | null): void {
    const { options, sweep } = this.#route
    const delay = expiringDelay(issuedAt, this.#expiresAt, options.expiringAt, Date.now())
    this.#warned = false
    if (delay > 0) sweep.set(this, delay)
    else this.#warn()
  }

  #warn (): void {
    this.#warned = true
    this.#send({ type: 'expiring', expiresAt: this.#expiresAt })
    this.#route.sweep.set(this, this.#expiresAt + this.#route.options.expiryGrace - Date.now())
  }

  #receiveOpen (data: RawData, isBinary: boolean): void {
    const message = readControl(data, isBinary, this.#route.options.maxAuthBytes)
    if (message !== null) this.#control(message)
    else if (this.#handler !== null) this.#handler.receive(data, isBinary)
    else this.deliver(data, isBinary)
  }

  #control (message: ClientMessage): void {
    if (message.type === 'auth') return this.#refuse(REFUSALS.ALREADY_AUTHENTICATED)
    if (this.#refreshing) return this.#refuse(REFUSALS.REFRESH_PENDING)
    const { refreshInterval } = this.#route.options
    const now = performance.now()
    this.#refreshesPaid = Math.max(this.#refreshesPaid, now) + refreshInterval
    if (this.#refreshesPaid > now + REFRESH_BURST * refreshInterval) return this.#refuse(REFUSALS.TOO_MANY_REFRESHES)
    this.#refreshing = true
    this.#queueCheck(message.token)
  }

  #send (message: ServerMessage): void {
    sendText(this.#socket, JSON.stringify(message))
  }

  #fail (error: unknown, message: string): void {
    this.log.error({ err: error }, message)
    this.#refuse(REFUSALS.INTERNAL_ERROR)
  }

  #refuse ({ code, reason, frame }: Refusal): void {
    const alive = this.isAlive()
    this.#end()
    if (!alive) return
    this.log.info({ code, reason }, 'websocket refused')
    if (refused.hasSubscribers) refused.publish({ code, reason } satisfies HandshakeRefuseEvent)
    this.#socket.send(frame, TEXT)
    this.#route.closer.close(this.#socket, code, reason)
  }

  /** Gives back all it holds. Nothing is handled after it. */
  #end (): void {
    this.#phase = 'closed'
    this.#route.sweep.clear(this)
    this.#release()
    this.#releaseHandler()
  }

  /** Gives back what a connection holds until it is authenticated. */
  #release (): void {
    if (this.#pending === null) return
    this.#route.pool.release(this)
    this.#pending = null
  }

  #releaseHandler (): void {
    this.#handler?.settle()
    this.#handler = null
  }
}

/** The claims, where there are any: idle connections would keep an empty object each. */
function claimsOf (identity: WsIdentity | null): WsClaims | undefined {
  return identity === null || Object.keys(identity.claims).length === 0 ? undefined : identity.claims
}
