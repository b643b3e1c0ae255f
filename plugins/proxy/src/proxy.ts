import { Closer, markRoutePart, Misuse, Sweep, usesPublicWay } from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest, preValidationHookHandler } from 'fastify'
import { BAD_GATEWAY } from './close-codes.js'
import type { Deadline, ProxyContext, SharedState } from './context.js'
import {
  WSA_PROXY_ERR_CLIENT_GONE, WSA_PROXY_ERR_CLOSING, WSA_PROXY_ERR_NOT_DIALLED, WSA_PROXY_ERR_UPSTREAM_TIMEOUT,
  WSA_PROXY_ERR_UPSTREAM_UNREACHABLE
} from './errors.js'
import { parseProxyOptions, type ProxyPluginOptions } from './options.js'
import { Pipe, pipeOf, setPipe } from './pipe.js'
import { DIAL, PROXY } from './route-part.js'
import { prepareTls } from './tls.js'
import type { UpstreamProxy } from './types.js'
import { headerLines, offersFor, setAnswer } from './upgrade.js'

/** Time after which another attempt may succeed, in seconds. */
const RETRY_AFTER_S = 5

/** Makes the state that all proxies of a server share. */
export function createSharedState (): SharedState {
  return { sweep: new Sweep<Deadline>(deadline => deadline.expire()), dialling: new Set(), closers: [], open: 0 }
}

/** Makes one proxy: its handler and its hook. */
export function createProxy (shared: SharedState, options: ProxyPluginOptions, misuse: Misuse): UpstreamProxy {
  const settings = parseProxyOptions(options)
  const { upstream, tls, maxPayload, closeTimeout, flushTimeout, pings } = settings
  const closer = new Closer(closeTimeout, flushTimeout)
  shared.closers.push(closer)
  const context: ProxyContext = {
    ...settings,
    shared,
    closer,
    misuse,
    client: {
      perMessageDeflate: false,
      maxPayload,
      // Where it cannot be prolonged for one connection, it is the same for all.
      closeTimeout: usesPublicWay() ? closeTimeout + flushTimeout : closeTimeout,
      autoPong: pings === 'answer',
      ...(upstream.protocol === 'wss:' && prepareTls(tls))
    }
  }
  const handler = settings.dial === 'upgrade' ? createHandler(context) : createDiallingHandler(context)
  return markRoutePart(Object.assign(handler, { dial: markRoutePart(createDialHook(context), DIAL) }), PROXY.made)
}

/** For an upstream that the hook has dialled. */
function createHandler (context: ProxyContext) {
  return (client: WebSocket, request: FastifyRequest): void => {
    const pipe = pipeOf(request.raw)
    if (pipe?.context !== context) throw new WSA_PROXY_ERR_NOT_DIALLED()
    pipe.join(client)
  }
}

/** Dials the upstream itself. */
function createDiallingHandler (context: ProxyContext) {
  return (client: WebSocket, request: FastifyRequest): void => {
    const pipe = new Pipe(context, request)
    pipe.join(client)
    // The 101 has named a subprotocol already. If the upstream does not select it, the connection is useless.
    pipe.dial(offersFor(client.protocol, context.protocols), error => {
      if (error !== null) pipe.refuse(...closingFor(error))
    })
  }
}

function createDialHook (context: ProxyContext): preValidationHookHandler {
  return (request, reply, done) => {
    const { raw } = request
    // A plain GET or HEAD gets a 404. With a second hook the upstream is dialled already.
    if (!request.ws || context.dial === 'authenticated' || pipeOf(raw) !== undefined) return done()
    // With injectWS the request has no socket; the response always has one.
    const transport = reply.raw.socket
    // There will be no second close event.
    if (transport === null || transport.destroyed) return done(new WSA_PROXY_ERR_CLIENT_GONE())
    const pipe = new Pipe(context, request)
    setPipe(raw, pipe)
    pipe.tieTo(transport)
    pipe.dial(offersFor(request.headers['sec-websocket-protocol'], context.protocols), (error, accepted) => {
      if (accepted === null) {
        pipe.untie()
        if (isTransient(error)) reply.header('retry-after', RETRY_AFTER_S)
        return done(error as Error)
      }
      const { upstream, headers } = accepted
      setAnswer(raw, { protocol: upstream.protocol, headers: headerLines(headers, context.responseHeaders) })
      done()
    })
  }
}

/** Whether another attempt may succeed. An upstream that refuses will refuse again. */
function isTransient (error: unknown): boolean {
  return error instanceof WSA_PROXY_ERR_UPSTREAM_UNREACHABLE || error instanceof WSA_PROXY_ERR_UPSTREAM_TIMEOUT ||
    error instanceof WSA_PROXY_ERR_CLOSING
}

/** Code and reason of the close that replaces an HTTP answer. */
function closingFor (error: Error & { statusCode?: number }): [code: number, reason: string] {
  return error.statusCode === 502 || error.statusCode === 504
    ? [BAD_GATEWAY, 'upstream unavailable']
    : [CloseCode.INTERNAL_ERROR, 'internal error']
}
