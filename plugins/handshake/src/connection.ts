import { isThenable, logError, logoutCode, ofServer, Turn, type WsClaims, type WsIdentity } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { RawData } from 'ws'
import { auditRefusal, type Decided, type Decision } from './audit.js'
import type { Claimant, Proof, Verdict } from './check.js'
import type { HandshakeContext } from './context.js'
import { channels, type HandshakeRefuseEvent } from './events.js'
import type { Deadline } from './expiry.js'
import { gate, type Gatekeeper } from './internals.js'
import { Refusal, REFUSALS } from './refusal.js'
import type { Claims } from './scope.js'

const TEXT = { binary: false }

/** The hooks that a token waits for. */
const HOOKS = { hook: 'jwt.verify, authorize or isRevoked' }

/**
 * What a connection does before and after it is authenticated: it keeps the gate of its socket, has tokens checked, and
 * is refused. It has at most one deadline at a time.
 */
export abstract class Connection implements Claimant, Decided, Deadline, Gatekeeper {
  due = 0
  request: FastifyRequest | null
  readonly log: FastifyBaseLogger
  readonly pass: WebSocket['emit']
  readonly baseClaims: WsClaims | undefined
  identity: WsIdentity | null
  scopes: Claims | null = null
  protected readonly context: HandshakeContext
  readonly socket: WebSocket
  protected ended = false

  /** Takes the gate at once: what the peer sent together with the upgrade is emitted in the next turn already. */
  constructor (
    context: HandshakeContext, socket: WebSocket, request: FastifyRequest,
    pass: WebSocket['emit'], identity: WsIdentity | null, baseClaims: WsClaims | undefined
  ) {
    this.context = context
    this.socket = socket
    this.request = request
    this.log = request.log
    this.pass = pass
    this.identity = identity
    this.baseClaims = baseClaims
    gate(socket, this)
  }

  abstract expire (): void

  abstract receive (data: RawData, isBinary: boolean): void

  abstract overlong (ours: boolean): boolean

  abstract growing (bytes: number): void

  /** When that began which a token is checked for, in milliseconds of `performance.now()`. */
  protected abstract began (): number

  /** What a token is checked for. */
  protected abstract get proves (): Decision

  /** Puts the proof of a token into force. */
  protected abstract accept (proof: Proof): void

  /** Called when the check of a token has to be awaited: it has `authTimeout` for that. */
  protected abstract awaitCheck (): void

  closed (): void {
    this.end()
  }

  get server (): object {
    return this.context.server
  }

  get sessionClaim (): string {
    return this.context.recent.sessionClaim
  }

  protected isAlive (): boolean {
    return !this.ended && this.socket.readyState === this.socket.OPEN
  }

  /**
   * Has a token checked when its turn comes. If all clients come back at once, or all tokens expire at once, the open
   * connections are served in between.
   */
  protected checkInTurn (jwt: string): void {
    const began = this.began()
    this.context.turnstile.enter(Turn.FIRST_FRAME, () => { if (this.isAlive()) this.#check(jwt, began) })
  }

  #check (jwt: string, began: number): void {
    let verdict: Verdict | Promise<Verdict>
    try {
      verdict = this.context.check(jwt, this)
    } catch (error) {
      return this.fail(error, 'websocket authentication failed')
    }
    if (!isThenable(verdict)) return this.#decide(verdict, began)
    this.awaitCheck()
    verdict.then(
      verdict => this.#decide(verdict, began),
      error => this.fail(error, 'websocket authentication failed')
    )
  }

  #decide (verdict: Verdict, began: number): void {
    if (verdict instanceof Refusal) return this.refuse(verdict.for(this.socket))
    if (!this.isAlive()) return
    // A hook may have looked before the user was disconnected, and answered since.
    const order = this.context.recent.find(verdict.identity, began)
    if (order !== undefined) return this.refuse(new Refusal(order.code ?? logoutCode(this.socket), order.reason))
    // Hooks before the handshake have no time limit, and may outlast what is remembered.
    if (this.context.recent.remembers(began)) this.accept(verdict)
    else this.refuse(REFUSALS.AUTH_TIMEOUT)
  }

  protected fail (error: unknown, message: string, decision?: Decision): void {
    logError(this.log, error, message)
    this.refuse(REFUSALS.INTERNAL_ERROR, decision)
  }

  /** Refuses a client whose token had no verdict in time. */
  protected refuseLate (awaited: boolean): void {
    if (awaited) this.context.misuse.late(HOOKS, 'authTimeout')
    this.refuse(REFUSALS.AUTH_TIMEOUT)
  }

  /** @param decision what is refused */
  protected refuse ({ code, reason, frame }: Refusal, decision = this.proves): void {
    const alive = this.isAlive()
    this.end()
    if (!alive) return
    this.log.info({ code, reason }, 'websocket refused')
    if (channels.refuse.hasSubscribers) channels.refuse.publish(ofServer({ code, reason }, this.context.server) satisfies HandshakeRefuseEvent)
    auditRefusal(decision, this, code, reason)
    // Before the refusal itself, which a TLS socket holds back for a moment.
    const waiting = this.socket.bufferedAmount
    this.socket.send(frame, TEXT)
    this.context.closer.close(this.socket, code, reason, { waiting })
  }

  /** Gives back everything it holds. Nothing is handled afterwards. */
  protected end (): void {
    this.ended = true
    this.context.sweep.clear(this)
  }
}
