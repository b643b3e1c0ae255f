import { beganAt, noteFinalCodes, type WsClaims, type WsIdentity } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { AsyncResource } from 'node:async_hooks'
import type { RawData } from 'ws'
import type { Proof } from './check.js'
import { Connection } from './connection.js'
import type { HandshakeContext } from './context.js'
import { readControl } from './control.js'
import type { EarlyFrames } from './early-frames.js'
import { REFUSALS } from './refusal.js'
import { type Asked, Session } from './session.js'

/** A connection from its upgrade until its first frame has proved who the client is; a {@link Session} follows. */
export class FirstFrame extends Connection {
  readonly #startedAt = performance.now()
  /** The async context of the upgrade: a request's context and its trace are kept there, and a frame comes outside of it. */
  readonly #upgrade = new AsyncResource('airlock.handshake', { requireManualDestroy: true })
  #verifying = false
  #awaited = false
  /** What the client wants to be told. */
  #asked: Asked = {}
  /** What arrives while the token is checked. */
  #early: EarlyFrames | null = null

  constructor (context: HandshakeContext, socket: WebSocket, request: FastifyRequest) {
    super(context, socket, request, socket.emit, request.wsIdentity, claimsOf(request.wsIdentity))
  }

  /** Starts to wait. */
  start (): void {
    const { settings, pool, sweep } = this.context
    if (!pool.acquire(this)) return this.refuse(REFUSALS.TOO_MANY_PENDING)
    sweep.set(this, settings.authTimeout)
  }

  expire (): void {
    this.refuseLate(this.#awaited)
  }

  receive (data: RawData, isBinary: boolean): void {
    // ws goes on emitting what the peer sends until the peer answers the close frame.
    if (this.ended) return
    if (!this.#verifying) return this.#authenticate(data, isBinary)
    this.#early ??= this.context.newQueue()
    if (!this.#early.push(data, isBinary)) this.refuse(REFUSALS.QUEUE_FULL)
  }

  protected began (): number {
    return beganAt(this.socket) ?? this.#startedAt
  }

  protected awaitCheck (): void {
    this.#awaited = true
  }

  protected accept (proof: Proof): void {
    this.end()
    new Session(this.context, this.socket, this.request as FastifyRequest, this.pass, this.identity, this.baseClaims)
      .open(proof, this.#startedAt, this.#early, this.#asked)
  }

  protected override end (): void {
    super.end()
    this.context.pool.release(this)
  }

  #authenticate (data: RawData, isBinary: boolean): void {
    const message = readControl(data, isBinary, this.context.settings.maxAuthBytes)
    if (message?.type !== 'auth') return this.refuse(REFUSALS.AUTH_EXPECTED)
    noteFinalCodes(this.socket, message.final)
    const { token, ...asked } = message
    this.#verifying = true
    this.#asked = asked
    this.#upgrade.runInAsyncScope(this.checkInTurn, this, token)
  }
}

/** The claims if there are any: each idle connection would keep an empty object otherwise. */
function claimsOf (identity: WsIdentity | null): WsClaims | undefined {
  return identity === null || Object.keys(identity.claims).length === 0 ? undefined : identity.claims
}
