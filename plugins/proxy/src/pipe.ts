import { CloseCode } from '@fastify-airlock/protocol'
import type { FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import { type Closing, closingForClient, closingForUpstream } from './close-codes.js'
import type { Deadline, ProxyContext } from './context.js'
import { Dial, type Dialled } from './dial.js'
import { WSA_PROXY_ERR_CLIENT_GONE } from './errors.js'
import { channels, type ProxyCloseEvent } from './events.js'
import { Flow } from './flow.js'

/**
 * A client and its upstream, from the dial to the end of both. The first to arrive is not read until the other arrives;
 * when one goes, the other is closed.
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
  /** How the upstream closed before there was a client to tell. */
  #lost: Closing | null = null
  #openedAt = 0
  #ended = false

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
      if (accepted !== null) this.#accept(accepted.upstream)
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
    client.on('message', onClientMessage).on('close', onClientClose)
    if (this.context.pings === 'forward') client.on('pong', onClientPong)
    if (this.#upstream !== null) this.#open(client, this.#upstream)
  }

  /** Closes a client that has no upstream. */
  refuse (code: number, reason: string): void {
    this.#ended = true
    this.#toUpstream?.stop()
    this.context.closer.close(this.#client as WebSocket, code, reason)
  }

  /** Closes both sides if there was no message for `idleTimeout`. */
  expire (): void {
    const { idleTimeout, shared, closer } = this.context
    const idle = performance.now() - Math.max((this.#toClient as Flow).movedAt, (this.#toUpstream as Flow).movedAt)
    const left = idleTimeout as number - idle
    if (left > 0) return shared.sweep.set(this, left)
    this.#end('idle', CloseCode.GOING_AWAY)
    closer.close(this.#client as WebSocket, CloseCode.GOING_AWAY, 'idle timeout')
    closer.close(this.#upstream as WebSocket, CloseCode.GOING_AWAY, 'idle timeout')
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

  /** Ends the pipe: the client has gone, joined or not. */
  clientClosed (code: number, reason: string): void {
    this.#dial?.cancel(new WSA_PROXY_ERR_CLIENT_GONE())
    if (this.#ended || this.#upstream === null) return
    this.#end('client', code)
    const closing = closingForUpstream(code, reason)
    this.context.closer.close(this.#upstream, closing.code, closing.reason)
  }

  upstreamFailed (error: NodeJS.ErrnoException): void {
    this.#request.log.warn({ reason: error.code }, 'websocket upstream failed')
  }

  upstreamClosed (code: number, reason: string): void {
    this.context.shared.open--
    if (this.#ended) return
    this.#lost = { code, reason }
    if (this.#client !== null) this.#closeClient(this.#client, this.#lost)
  }

  #accept (upstream: WebSocket): void {
    this.context.shared.open++
    this.#openedAt = performance.now()
    this.#upstream = attach(upstream, this)
    this.#toClient = new Flow(this.context, upstream)
    upstream.on('message', onUpstreamMessage).on('close', onUpstreamClose).on('error', onUpstreamError)
    if (this.context.pings === 'forward') upstream.on('ping', onUpstreamPing)
    if (this.#client !== null) this.#open(this.#client, upstream)
  }

  #open (client: WebSocket, upstream: WebSocket): void {
    (this.#toClient as Flow).open(client)
    ;(this.#toUpstream as Flow).open(upstream)
    const { idleTimeout, shared } = this.context
    if (this.#lost !== null) this.#closeClient(client, this.#lost)
    else if (idleTimeout !== undefined) shared.sweep.set(this, idleTimeout)
  }

  #closeClient (client: WebSocket, lost: Closing): void {
    this.#end('upstream', lost.code)
    const closing = closingForClient(lost.code, lost.reason)
    this.context.closer.close(client, closing.code, closing.reason)
  }

  #end (by: ProxyCloseEvent['by'], code: number): void {
    this.#ended = true
    this.context.shared.sweep.clear(this)
    this.#toClient?.stop()
    this.#toUpstream?.stop()
    if (channels.close.hasSubscribers) {
      channels.close.publish({ by, code, duration: performance.now() - this.#openedAt } satisfies ProxyCloseEvent)
    }
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

function onTransportClose (this: Duplex): void {
  (this as Piped<Duplex>)[kPipe].clientClosed(1006, '')
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
