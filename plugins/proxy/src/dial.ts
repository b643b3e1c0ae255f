import { isThenable, next, ofServer, readableError, type Rule } from '@fastify-airlock/core'
import type { FastifyRequest } from 'fastify'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type ClientOptions, WebSocket } from 'ws'
import type { Attempt, Deadline, ProxyContext } from './context.js'
import {
  WSA_PROXY_ERR_HEADERS, WSA_PROXY_ERR_UPSTREAM_REFUSED, WSA_PROXY_ERR_UPSTREAM_TIMEOUT, WSA_PROXY_ERR_UPSTREAM_UNREACHABLE
} from './errors.js'
import { channels, type ProxyOpenEvent, type ProxyRefuseEvent } from './events.js'
import { checkHeaders, isPlain, upstreamHeaders, upstreamUrl } from './headers.js'
import type { UpstreamHeaders } from './options.js'

/** A connection that the upstream has accepted. */
export interface Accepted {
  /** Open and paused. Nothing has been read from it. */
  readonly upstream: WebSocket
  /** The headers of its 101. */
  readonly headers: IncomingHttpHeaders
  /** What it came over. */
  readonly transport: Socket
}

const MAKES_HEADERS: Rule = { hook: 'headers', expected: 'a plain object', cure: 'return a plain object of names and values' }

/** Called once, with either an error or the connection. */
export type Dialled = (error: Error | null, accepted: Accepted | null) => void

/** Connects to the upstream once, with one deadline for everything. */
export class Dial implements Attempt, Deadline {
  due = 0
  readonly #context: ProxyContext
  readonly #request: FastifyRequest
  readonly #protocols: string[]
  readonly #done: Dialled
  readonly #startedAt = performance.now()
  #upstream: WebSocket | null = null
  #settled = false

  /** @param protocols subprotocols to offer */
  constructor (context: ProxyContext, request: FastifyRequest, protocols: string[], done: Dialled) {
    this.#context = context
    this.#request = request
    this.#protocols = protocols
    this.#done = done
  }

  /** Asks for the headers and connects. */
  start (): void {
    const { headers, shared, dialTimeout } = this.#context
    shared.dialling.add(this)
    shared.sweep.set(this, dialTimeout)
    try {
      const connecting = next(typeof headers === 'function' ? headers(this.#request) : headers, made => this.#connect(made))
      if (isThenable(connecting)) connecting.then(undefined, error => this.fail(readableError(error)))
    } catch (error) {
      this.fail(readableError(error))
    }
  }

  expire (): void {
    if (this.#upstream === null) this.#context.misuse.late(MAKES_HEADERS, 'dialTimeout')
    this.fail(new WSA_PROXY_ERR_UPSTREAM_TIMEOUT())
  }

  cancel (error: Error): void {
    this.#settle()
    this.#upstream?.terminate()
    this.#done(error, null)
  }

  /**
   * Gives up and reports the failure.
   *
   * @param reason for the log: the client must not see it
   */
  fail (error: Error & { statusCode?: number, code?: string }, reason = error.message): void {
    if (this.#settled) return
    const { code = error.name, statusCode = 500 } = error
    this.#request.log.warn({ code, reason }, 'websocket upstream failed')
    if (channels.refuse.hasSubscribers) channels.refuse.publish(ofServer({ statusCode, code }, this.#request.server.server) satisfies ProxyRefuseEvent)
    this.cancel(error)
  }

  #connect (own: UpstreamHeaders): void {
    if (this.#settled) return
    const { upstream: url, query, client, misuse } = this.#context
    if (!isPlain(own)) misuse.answer(MAKES_HEADERS, own)
    const request = this.#request
    let upstream
    try {
      upstream = new WebSocket(upstreamUrl(url, query, request.query), this.#protocols, {
        ...client as ClientOptions,
        headers: upstreamHeaders(request, this.#context, checkHeaders(own))
      })
    } catch (error) {
      return this.fail(new WSA_PROXY_ERR_HEADERS(), (error as Error).message)
    }
    this.#attach(upstream)
  }

  #attach (upstream: WebSocket): void {
    this.#upstream = upstream
    let response: IncomingMessage
    upstream.once('upgrade', (accepted: IncomingMessage) => { response = accepted })
    upstream.once('open', () => {
      // Before anything is read, so that no message is missed until there is somebody to take it.
      upstream.pause()
      upstream.removeAllListeners()
      this.#settle()
      if (channels.open.hasSubscribers) {
        channels.open.publish(ofServer({ duration: performance.now() - this.#startedAt }, this.#request.server.server) satisfies ProxyOpenEvent)
      }
      this.#done(null, { upstream, headers: response.headers, transport: response.socket })
    })
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      // Errors of Node have a code; those of ws about the upstream's answer have none.
      if (error.code === undefined) this.fail(new WSA_PROXY_ERR_UPSTREAM_REFUSED(), error.message)
      else this.fail(new WSA_PROXY_ERR_UPSTREAM_UNREACHABLE(), error.code)
    })
  }

  #settle (): void {
    this.#settled = true
    this.#context.shared.sweep.clear(this)
    this.#context.shared.dialling.delete(this)
  }
}
