import { closeFrameIsOut, isAnswer, isHeard, mayBePeers, noteEnding, ofServer } from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import { type Closing, closingAfterLoss, closingForClient, closingForUpstream, isProtocolError, NO_CODE } from './close-codes.js'
import type { Deadline, ProxyContext } from './context.js'
import { Departure } from './departure.js'
import { type Accepted, Dial, type Dialled } from './dial.js'
import { WSA_PROXY_ERR_CLIENT_GONE } from './errors.js'
import { channels, type ProxyCloseEvent } from './events.js'
import { Flow } from './flow.js'
import { bytesSent } from './internals.js'

const OPEN = 1

/** Time between two looks at a side that has not taken everything yet, in milliseconds. */
const LOOK_MS = 100

/** What a kernel may hold of a connection at most, in bytes, unseen. */
const KERNEL_BYTES = 4 * 1024 * 1024

/** The slowest link on which what a kernel holds is waited for to the end, in bytes for each millisecond. */
const SLOWEST = 128

/** How a pipe ends. Made when it does, so that an open pipe does not keep it. */
interface Ending extends Closing {
  /** The side whose end it is. */
  readonly by: 'client' | 'upstream' | 'idle'
  /** When that was noticed, in milliseconds of `performance.now()`. */
  readonly at: number
  /** The side whose close frame waits for its answer: until the other side has taken all, and has answered. */
  held: WebSocket | null
  /** Whether the flows have stopped. Before, the upstream has closed, and there is no client yet to tell. */
  begun: boolean
  /** Whether the other side is being closed. */
  passed: boolean
  /** Whether the other side closed by itself before it had taken everything. */
  crossed: boolean
}

/**
 * A client and its upstream, from the dial to the end of both. The first to arrive is not read until the other arrives;
 * when one closes, the other is closed, and the first gets the other's answer: 1000 says that everything has arrived.
 */
export class Pipe implements Deadline {
  due = 0
  readonly context: ProxyContext
  readonly #request: FastifyRequest
  #dial: Dial | null = null
  #transport: Duplex | null = null
  #client: WebSocket | null = null
  #upstream: WebSocket | null = null
  #toClient: Flow | null = null
  #toUpstream: Flow | null = null
  #ending: Ending | null = null
  #openedAt = 0

  constructor (context: ProxyContext, request: FastifyRequest) {
    this.context = context
    this.#request = request
  }

  /**
   * Connects to the upstream.
   *
   * @param protocols subprotocols to offer
   */
  dial (protocols: string[], done: Dialled): void {
    this.#dial = new Dial(this.context, this.#request, protocols, (error, accepted) => {
      this.#dial = null
      if (accepted !== null) this.#accept(accepted)
      done(error, accepted)
    })
    this.#dial.start()
  }

  /**
   * Ends the pipe when this TCP or TLS socket closes before the client joins. No other event covers every case: a later
   * hook that refuses the upgrade as well as a client that leaves before the handler runs.
   */
  tieTo (transport: Duplex): void {
    this.#transport = attach(transport, this)
    transport.on('close', onTransportClose)
  }

  /** Undoes {@link Pipe.tieTo}. */
  untie (): void {
    this.#transport?.off('close', onTransportClose)
    this.#transport = null
  }

  /** Takes the client. It listens at once: what the client sent right after the upgrade is emitted in the next turn. */
  join (client: WebSocket): void {
    this.untie()
    this.#client = attach(client, this)
    this.#toUpstream = new Flow(this.context, client)
    // With injectWS there is none.
    const { socket: transport } = this.#request.raw as { socket?: Socket }
    if (transport !== undefined) attach(transport, this).on('end', onClientEnd)
    client.close = closeClient
    client.on('message', onClientMessage).on('close', onClientClose)
    if (this.context.pings === 'forward') client.on('pong', onClientPong)
    if (this.#upstream !== null) this.#open(client, this.#upstream)
  }

  /** Closes a client that has no upstream. */
  refuse (code: number, reason: string): void {
    // The client has asked for the end, and with that has ended the dial.
    if (this.#ending !== null) return
    this.#begin({ by: 'upstream', code, reason }, null)
    noteEnding(this.#client as WebSocket, code, reason)
    this.context.closer.close(this.#client as WebSocket, code, reason)
  }

  /** Closes both sides if there was no message for `idleTimeout`. While the pipe ends, looks whether it can go on. */
  expire (): void {
    const ending = this.#ending
    if (ending?.begun) return this.#passOn(ending, true)
    const { idleTimeout, shared, closer } = this.context
    const idle = performance.now() - Math.max((this.#toClient as Flow).movedAt, (this.#toUpstream as Flow).movedAt)
    const left = idleTimeout as number - idle
    if (left > 0) return shared.sweep.set(this, left)
    const closing = { by: 'idle', code: CloseCode.GOING_AWAY, reason: 'idle timeout' } as const
    this.#end(closing, null)
    closer.close(this.#client as WebSocket, closing.code, closing.reason)
    closer.close(this.#upstream as WebSocket, closing.code, closing.reason)
  }

  fromClient (data: RawData, isBinary: boolean): void {
    this.#toUpstream?.message(data, isBinary)
  }

  fromUpstream (data: RawData, isBinary: boolean): void {
    this.#toClient?.message(data, isBinary)
  }

  pingFromUpstream (data: Buffer): void {
    this.#toClient?.control('ping', data)
  }

  pongFromClient (data: Buffer): void {
    this.#toUpstream?.control('pong', data)
  }

  /**
   * Ends the pipe where the client has sent a close frame, or this server closes it.
   *
   * @param asked whether the client did
   * @returns whether the answer has to wait
   */
  clientCloses (asked: boolean, code: number, given: string | Buffer): boolean {
    if (this.#ending?.begun) return asked && this.#waits('upstream')
    const client = this.#client as WebSocket
    const reason = String(given)
    if (!asked && !mayBePeers(given)) noteEnding(client, code, reason)
    if (this.#upstream === null) return asked && this.#answerAlone(client, code, reason)
    this.#end({ by: 'client', code, reason }, asked ? client : null)
    return asked
  }

  /**
   * Ends the pipe where the upstream has sent a close frame.
   *
   * @returns whether the answer has to wait
   */
  upstreamCloses (code: number, reason: string): boolean {
    if (this.#ending !== null) return this.#waits('client')
    this.#loseUpstream(code, reason, this.#upstream)
    return true
  }

  /** The side that is being closed has closed by itself, and may not read what is still to come. */
  crossed (): void {
    (this.#ending as Ending).crossed = true
  }

  /** Ends the pipe: the client has gone, joined or not. */
  clientClosed (code: number, reason: string): void {
    this.#dial?.cancel(new WSA_PROXY_ERR_CLIENT_GONE())
    const ending = this.#ending
    if (this.#upstream === null) return
    if (ending === null || !ending.begun) this.#end({ by: 'client', code, reason }, null)
    else if (ending.by === 'upstream') this.#answer(ending, closingForUpstream(code, reason), 'upstream')
  }

  /** The client will send nothing more. */
  clientEnds (transport: Socket): void {
    this.#depart(this.#client as WebSocket, transport)
  }

  /** The upstream will send nothing more. */
  upstreamEnds (transport: Socket): void {
    this.#depart(this.#upstream as WebSocket, transport)
  }

  upstreamFailed (error: NodeJS.ErrnoException): void {
    this.#request.log.warn({ reason: error.code }, 'websocket upstream failed')
  }

  upstreamClosed (code: number, reason: string): void {
    this.context.shared.open--
    const ending = this.#ending
    if (ending === null) this.#loseUpstream(code, reason, null)
    else if (ending.by === 'client') this.#answer(ending, closingForClient(code, reason), 'client')
  }

  /** Whether the side that has closed by itself just now has its close, and so its answer, still to come from here. */
  #waits (by: Ending['by']): boolean {
    const ending = this.#ending as Ending
    if (ending.by !== by || ending.passed) return false
    ending.crossed = true
    return true
  }

  #accept ({ upstream, transport }: Accepted): void {
    attach(transport, this).on('end', onUpstreamEnd)
    this.context.shared.open++
    this.#openedAt = performance.now()
    this.#upstream = attach(upstream, this)
    this.#toClient = new Flow(this.context, upstream)
    upstream.close = closeUpstream
    upstream.on('message', onUpstreamMessage).on('close', onUpstreamClose).on('error', onUpstreamError)
    if (this.context.pings === 'forward') upstream.on('ping', onUpstreamPing)
    if (this.#client !== null) this.#open(this.#client, upstream)
  }

  #open (client: WebSocket, upstream: WebSocket): void {
    (this.#toClient as Flow).open(client)
    ;(this.#toUpstream as Flow).open(upstream)
    const { idleTimeout, shared } = this.context
    if (this.#ending !== null) this.#end(this.#ending, this.#ending.held)
    else if (idleTimeout !== undefined) shared.sweep.set(this, idleTimeout)
  }

  #depart (side: WebSocket, transport: Socket): void {
    // A side with nothing waiting is closed at once.
    if (side.bufferedAmount > 0) new Departure(side, transport, this.context).start()
  }

  #loseUpstream (code: number, reason: string, held: WebSocket | null): void {
    const closing = { by: 'upstream', code, reason } as const
    if (this.#client !== null) this.#end(closing, held)
    else this.#ending = { ...closing, held, at: performance.now(), begun: false, passed: false, crossed: false }
  }

  /** Answers a client whose upstream has not accepted yet. */
  #answerAlone (client: WebSocket, code: number, reason: string): true {
    const lost = (this.#toUpstream as Flow).hasEarly
    const closing = closingForUpstream(code, reason)
    this.#begin({ by: 'client', code, reason }, client)
    this.#dial?.cancel(new WSA_PROXY_ERR_CLIENT_GONE())
    this.#answer(this.#ending as Ending, lost ? closingAfterLoss(closing, 'client') : closing, 'client')
    return true
  }

  #begin (closing: Pick<Ending, 'by' | 'code' | 'reason'>, held: WebSocket | null): void {
    this.#ending = { ...closing, held, at: performance.now(), begun: true, passed: false, crossed: false }
    this.context.shared.sweep.clear(this)
    this.#toClient?.stop()
    this.#toUpstream?.stop()
  }

  #end (closing: Pick<Ending, 'by' | 'code' | 'reason'>, held: WebSocket | null): void {
    const { by, code } = closing
    this.#begin(closing, held)
    if (channels.close.hasSubscribers) {
      channels.close.publish(ofServer({ by, code, duration: performance.now() - this.#openedAt }, this.#request.server.server) satisfies ProxyCloseEvent)
    }
    // What the upstream gives as the reason may repeat what a client has sent.
    if (by !== 'client') noteEnding(this.#client as WebSocket, null, by === 'idle' ? closing.reason : 'closed by the upstream')
    if (by !== 'idle') this.#passOn(this.#ending as Ending)
  }

  /**
   * Closes the other side.
   *
   * @param waited whether something was waiting for the first side before
   */
  #passOn (ending: Ending, waited = false): void {
    const { closer, closeTimeout, shared } = this.context
    const { by, code, reason, at, held } = ending
    const [to, other, flow] = by === 'client'
      ? ['upstream', this.#upstream, this.#toUpstream] as const
      : ['client', this.#client, this.#toClient] as const
    let closing = by === 'client' ? closingForUpstream(code, reason) : closingForClient(code, reason)
    // It has asked for the end while something still waits for it. The other side cannot see that it may be lost.
    const gone = waited && held?.readyState !== OPEN
    if (held !== null && closing.code === CloseCode.NORMAL && (gone || held.bufferedAmount > 0)) {
      const left = at + closeTimeout - performance.now()
      if (left > 0 && !gone) return shared.sweep.set(this, Math.min(left, LOOK_MS))
      closing = closingAfterLoss(closing, to)
    }
    ending.passed = true
    if ((other as WebSocket).readyState !== OPEN) return
    // Without a flow, nothing was passed on.
    const movedAt = flow?.movedAt ?? 0
    const underWay = Math.min(bytesSent(other as WebSocket), KERNEL_BYTES) / SLOWEST - (performance.now() - movedAt)
    closer.close(other as WebSocket, closing.code, closing.reason, { underWay: Math.max(underWay, 0) })
  }

  /** Answers the close frame that is held with what the other side has answered. */
  #answer (ending: Ending, closing: Closing, to: 'client' | 'upstream'): void {
    const { held, crossed } = ending
    if (held?.readyState !== OPEN) return
    const { code, reason } = crossed ? closingAfterLoss(closing, to) : closing
    this.context.closer.close(held, code, reason)
  }
}

// The emitters hold their pipe, so that a connection costs no closures.
const kPipe = Symbol('airlock.proxy.pipe')

type Piped<T> = T & { [kPipe]: Pipe }

/** The pipe of an upgrade request, between its hook and its handler. */
export function pipeOf (request: IncomingMessage): Pipe | undefined {
  return (request as Partial<Piped<IncomingMessage>>)[kPipe]
}

/** Notes the pipe of an upgrade request. */
export function setPipe (request: IncomingMessage, pipe: Pipe): void {
  attach(request, pipe)
}

function attach<T extends object> (emitter: T, pipe: Pipe): T {
  (emitter as Piped<T>)[kPipe] = pipe
  return emitter
}

function onClientEnd (this: Socket): void {
  (this as Piped<Socket>)[kPipe].clientEnds(this)
}

function onUpstreamEnd (this: Socket): void {
  (this as Piped<Socket>)[kPipe].upstreamEnds(this)
}

function onTransportClose (this: Duplex): void {
  (this as Piped<Duplex>)[kPipe].clientClosed(1006, '')
}

/** In place of `close` of a client. */
function closeClient (this: WebSocket, code?: number, reason?: string | Buffer): void {
  const pipe = (this as Piped<WebSocket>)[kPipe]
  const asked = isAnswer(this)
  if (this.readyState === OPEN) {
    // Of the client's own mistakes its end tells, and of a shutdown its answer: what it sends until then is passed on.
    const later = !asked && (isHeard(this) || isProtocolError(code))
    if (!later && pipe.clientCloses(asked, code ?? NO_CODE, reason ?? '')) return
  } else if (asked && !closeFrameIsOut(this)) {
    pipe.crossed()
  }
  Object.getPrototypeOf(this).close.call(this, code, reason)
}

/** In place of `close` of an upstream. */
function closeUpstream (this: WebSocket, code?: number, reason?: string | Buffer): void {
  const pipe = (this as Piped<WebSocket>)[kPipe]
  if (isAnswer(this)) {
    if (this.readyState !== OPEN) {
      if (!closeFrameIsOut(this)) pipe.crossed()
    } else if (pipe.upstreamCloses(code ?? NO_CODE, String(reason ?? ''))) {
      return
    }
  }
  Object.getPrototypeOf(this).close.call(this, code, reason)
}

function onClientMessage (this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as Piped<WebSocket>)[kPipe].fromClient(data, isBinary)
}

function onClientPong (this: WebSocket, data: Buffer): void {
  (this as Piped<WebSocket>)[kPipe].pongFromClient(data)
}

function onClientClose (this: WebSocket, code: number, reason: Buffer): void {
  (this as Piped<WebSocket>)[kPipe].clientClosed(code, reason.toString())
}

function onUpstreamMessage (this: WebSocket, data: RawData, isBinary: boolean): void {
  (this as Piped<WebSocket>)[kPipe].fromUpstream(data, isBinary)
}

function onUpstreamPing (this: WebSocket, data: Buffer): void {
  (this as Piped<WebSocket>)[kPipe].pingFromUpstream(data)
}

function onUpstreamError (this: WebSocket, error: Error): void {
  (this as Piped<WebSocket>)[kPipe].upstreamFailed(error)
}

function onUpstreamClose (this: WebSocket, code: number, reason: Buffer): void {
  (this as Piped<WebSocket>)[kPipe].upstreamClosed(code, reason.toString())
}
