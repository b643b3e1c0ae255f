import { Closer, Sweep } from '@fastify-airlock/core'
import { CloseCode } from '@fastify-airlock/protocol'
import type { WebSocket } from '@fastify/websocket'
import type { FastifyRequest, preValidationHookHandler } from 'fastify'
import { BAD_GATEWAY } from './close-codes.js'
import {
  WSA_PROXY_ERR_CLIENT_GONE, WSA_PROXY_ERR_CLOSING, WSA_PROXY_ERR_NOT_DIALLED, WSA_PROXY_ERR_UPSTREAM_TIMEOUT,
  WSA_PROXY_ERR_UPSTREAM_UNREACHABLE
} from './errors.js'
import { headerLines, offersFor, setAnswer } from './handshake.js'
import { parseProxy, prepareTls } from './options.js'
import { Pipe, pipeOf, setPipe } from './pipe.js'
import type { Deadline, Route, Shared } from './route.js'
import type { UpstreamProxy, ProxyPluginOptions } from './types.js'

/** Time after which another attempt may be of use, in seconds. */
const RETRY_AFTER_S = 5

/** The state that all proxies of a server share. */
export function createShared (): Shared {
  return { sweep: new Sweep<Deadline>(deadline => deadline.expire()), dialling: new Set(), open: 0 }
}

/** Makes one proxy: its handler, and its hook. */
export function createProxy (shared: Shared, options: ProxyPluginOptions): UpstreamProxy {
  const settings = parseProxy(options)
  const { upstream, tls, maxPayload, closeTimeout, pings } = settings
  const route: Route = {
    ...settings,
    shared,
    closer: new Closer(closeTimeout),
    client: {
      perMessageDeflate: false,
      maxPayload,
      closeTimeout,
      autoPong: pings === 'answer',
      ...(upstream.protocol === 'wss:' && prepareTls(tls))
    }
  }
  return Object.assign(settings.dial === 'upgrade' ? createHandler(route) : createLateHandler(route), { dial: createHook(route) })
}

function createHandler (route: Route) {
  return (client: WebSocket, request: FastifyRequest): void => {
    const pipe = pipeOf(request.raw)
    if (pipe?.route !== route) throw new WSA_PROXY_ERR_NOT_DIALLED()
    pipe.join(client)
  }
}

function createLateHandler (route: Route) {
  return (client: WebSocket, request: FastifyRequest): void => {
    const pipe = new Pipe(route, request)
    pipe.join(client)
    // The 101 has named one already: the upstream selects that one, or the connection is of no use.
    pipe.dial(offersFor(client.protocol, route.protocols), error => {
      if (error !== null) pipe.refuse(...closingFor(error))
    })
  }
}

function createHook (route: Route): preValidationHookHandler {
  return (request, reply, done) => {
    const { raw } = request
    // A plain GET or HEAD, which gets a 404; or the second of two hooks.
    if (!request.ws || route.dial === 'authenticated' || pipeOf(raw) !== undefined) return done()
    // The request has no socket with injectWS, the response always has.
    const transport = reply.raw.socket
    // Its close event will not come again.
    if (transport === null || transport.destroyed) return done(new WSA_PROXY_ERR_CLIENT_GONE())
    const pipe = new Pipe(route, request)
    setPipe(raw, pipe)
    pipe.tieTo(transport)
    pipe.dial(offersFor(request.headers['sec-websocket-protocol'], route.protocols), (error, accepted) => {
      if (accepted === null) {
        pipe.untie()
        if (isTransient(error)) reply.header('retry-after', RETRY_AFTER_S)
        return done(error as Error)
      }
      const { upstream, headers } = accepted
      setAnswer(raw, { protocol: upstream.protocol, headers: headerLines(headers, route.responseHeaders) })
      done()
    })
  }
}

/** Whether another attempt may succeed; an upstream that refuses has its reasons. */
function isTransient (error: unknown): boolean {
  return error instanceof WSA_PROXY_ERR_UPSTREAM_UNREACHABLE || error instanceof WSA_PROXY_ERR_UPSTREAM_TIMEOUT ||
    error instanceof WSA_PROXY_ERR_CLOSING
}

/** Code and reason of the close that takes the place of an HTTP answer. */
function closingFor (error: Error & { statusCode?: number }): [code: number, reason: string] {
  return error.statusCode === 502 || error.statusCode === 504
    ? [BAD_GATEWAY, 'upstream unavailable']
    : [CloseCode.INTERNAL_ERROR, 'internal error']
}
