import { beganAt, hubPlacesOf, noteFinalCodes, type Places, type WsClaims, type WsIdentity } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { AsyncResource } from 'node:async_hooks'
import type { RawData } from 'ws'
import type { Proof } from './check.js'
import { Connection } from './connection.js'
import type { HandshakeContext } from './context.js'
import { readControl } from './control.js'
import type { EarlyFrames } from './early-frames.js'
import { holdMessages, limitMessages } from './internals.js'
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
  /** The places of the hub, if the upgrade took one. It keeps its place until the hub counts the connection itself. */
  #hub: Places | null = null
  /** What arrives while the token is checked. */
  #early: EarlyFrames | null = null

  constructor (context: HandshakeContext, socket: WebSocket, request: FastifyRequest) {
    super(context, socket, request, socket.emit, request.wsIdentity, claimsOf(request.wsIdentity))
  }

  /** Starts to wait. */
  start (): void {
    const { settings, unproved, places, pool, sweep } = this.context
    unproved.count++
    // What is refused is held as well: ws goes on reading until the peer answers the close frame.
    holdMessages(this.socket, settings.maxAuthBytes, this.log)
    // The guard has taken them before the 101. From here on they are held until the client is known or gone.
    places.pass(this.socket, this)
    if (settings.hub) {
      this.#hub = hubPlacesOf((this.request as FastifyRequest).server)
      this.#hub?.pass(this.socket, this)
    }
    if (!places.take(this)) return this.refuse(REFUSALS.FULL)
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
    const early = this.#queue
    if (!early.push(data, isBinary)) return this.refuse(REFUSALS.QUEUE_FULL)
    limitMessages(this.socket, early.room)
  }

  overlong (ours: boolean): boolean {
    if (this.#verifying && !ours) return false
    this.refuse(this.#verifying ? REFUSALS.QUEUE_FULL : REFUSALS.AUTH_EXPECTED)
    return true
  }

  growing (bytes: number): void {
    if (this.#verifying && !this.#queue.takes(bytes)) this.refuse(REFUSALS.QUEUE_FULL)
  }

  protected get proves (): 'auth' {
    return 'auth'
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
    const { unproved, places, pool } = this.context
    if (!this.ended) unproved.count--
    super.end()
    pool.release(this)
    places.giveBack(this)
    this.#hub?.giveBack(this)
  }

  get #queue (): EarlyFrames {
    this.#early ??= this.context.newQueue()
    return this.#early
  }

  #authenticate (data: RawData, isBinary: boolean): void {
    const message = readControl(data, isBinary, this.context.settings.maxAuthBytes)
    if (message?.type !== 'auth') return this.refuse(REFUSALS.AUTH_EXPECTED)
    noteFinalCodes(this.socket, message.final)
    const { token, ...asked } = message
    this.#verifying = true
    this.#asked = asked
    limitMessages(this.socket, this.context.settings.maxEarlyBytes)
    this.#upgrade.runInAsyncScope(this.checkInTurn, this, token)
  }
}

/** The claims if there are any: each idle connection would keep an empty object otherwise. */
function claimsOf (identity: WsIdentity | null): WsClaims | undefined {
  return identity === null || Object.keys(identity.claims).length === 0 ? undefined : identity.claims
}
