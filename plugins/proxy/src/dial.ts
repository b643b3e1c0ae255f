import type { FastifyRequest } from 'fastify'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type ClientOptions, WebSocket } from 'ws'
import {
  WSA_PROXY_ERR_HEADERS, WSA_PROXY_ERR_UPSTREAM_REFUSED, WSA_PROXY_ERR_UPSTREAM_TIMEOUT, WSA_PROXY_ERR_UPSTREAM_UNREACHABLE
} from './errors.js'
import { type ProxyOpenEvent, type ProxyRefuseEvent, opened, refused } from './events.js'
import { checkHeaders, upstreamHeaders, upstreamUrl } from './headers.js'
import type { Deadline, Route } from './route.js'
import type { UpstreamHeaders } from './types.js'

/** An upstream that has accepted. */
export interface Accepted {
  /** Open and paused: nothing has been read from it. */
  readonly upstream: WebSocket
  /** The headers of its 101. */
  readonly headers: IncomingHttpHeaders
}

/** Called once, with the error or with what came of it. */
export type Dialled = (error: Error | null, accepted: Accepted | null) => void

/** One attempt to connect to the upstream, with one deadline for all of it. */
export class Dial implements Deadline {
  due = 0
  readonly #route: Route
  readonly #request: FastifyRequest
  readonly #protocols: string[]
  readonly #done: Dialled
  readonly #startedAt = performance.now()
  #upstream: WebSocket | null = null
  #settled = false

  /** @param protocols the subprotocols to offer */
  constructor (route: Route, request: FastifyRequest, protocols: string[], done: Dialled) {
    this.#route = route
    this.#request = request
    this.#protocols = protocols
    this.#done = done
  }

  /** Asks for the headers and connects. */
  start (): void {
    const { headers, shared, dialTimeout } = this.#route
    shared.dialling.add(this)
    shared.sweep.set(this, dialTimeout)
    try {
      const made = typeof headers === 'function' ? headers(this.#request) : headers
      if (made instanceof Promise) made.then(made => this.#connect(made), error => this.fail(error))
      else this.#connect(made)
    } catch (error) {
      this.fail(error as Error)
    }
  }

  expire (): void {
    this.fail(new WSA_PROXY_ERR_UPSTREAM_TIMEOUT())
  }

  /** Gives up an attempt that is under way: nobody waits any more, or should. */
  cancel (error: Error): void {
    this.#settle()
    this.#upstream?.terminate()
    this.#done(error, null)
  }

  /**
   * Gives up, and tells.
   *
   * @param reason what the operator may know and the client may not
   */
  fail (error: Error & { statusCode?: number, code?: string }, reason = error.message): void {
    if (this.#settled) return
    const { code = error.name, statusCode = 500 } = error
    this.#request.log.warn({ code, reason }, 'websocket upstream failed')
    if (refused.hasSubscribers) refused.publish({ statusCode, code } satisfies ProxyRefuseEvent)
    this.cancel(error)
  }

  #connect (own: UpstreamHeaders): void {
    if (this.#settled) return
    const { upstream: url, query, client } = this.#route
    const request = this.#request
    let upstream
    try {
      upstream = new WebSocket(upstreamUrl(url, query, request.query), this.#protocols, {
        ...client as ClientOptions,
        headers: upstreamHeaders(request, this.#route, checkHeaders(own))
      })
    } catch (error) {
      return this.fail(new WSA_PROXY_ERR_HEADERS(), (error as Error).message)
    }
    this.#attach(upstream)
  }

  #attach (upstream: WebSocket): void {
    this.#upstream = upstream
    let headers: IncomingHttpHeaders = {}
    upstream.once('upgrade', (response: IncomingMessage) => { headers = response.headers })
    upstream.once('open', () => {
      // Before anything is read: whoever takes it over cannot miss a message.
      upstream.pause()
      upstream.removeAllListeners()
      this.#settle()
      if (opened.hasSubscribers) opened.publish({ duration: performance.now() - this.#startedAt } satisfies ProxyOpenEvent)
      this.#done(null, { upstream, headers })
    })
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      // What ws itself finds wrong with an answer has no code; what Node reports has.
      if (error.code === undefined) this.fail(new WSA_PROXY_ERR_UPSTREAM_REFUSED(), error.message)
      else this.fail(new WSA_PROXY_ERR_UPSTREAM_UNREACHABLE(), error.code)
    })
  }

  #settle (): void {
    this.#settled = true
    this.#route.shared.sweep.clear(this)
    this.#route.shared.dialling.delete(this)
  }
}
