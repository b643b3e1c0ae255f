import httpProxy from '@fastify/http-proxy'
import type { FastifyPluginAsync } from 'fastify'
import type { IncomingHttpHeaders } from 'node:http'
import type { DemoOptions } from '../config.js'
import { UpstreamTimeout, UpstreamUnreachable } from '../errors.js'
import type { UpstreamUrls } from '../external-config.js'

/** Time for connecting, and for an answer to begin, in milliseconds. */
const TIMEOUT_MS = 5_000

/** Headers of a request that are passed on to the upstream. */
const FORWARDED = ['accept', 'accept-language', 'content-encoding', 'content-language', 'content-length', 'content-type', 'host', 'user-agent']

/** The HTTP API of another system, for everyone with a session. Its key stays on the server. */
export const api: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  const { api: upstream } = config.upstream as UpstreamUrls
  const key = config.upstreamToken as string

  fastify.addHook('onRequest', async (request, reply) => {
    // Otherwise the upgrade would succeed, and the WebSocket would close at once.
    if (request.ws) return reply.callNotFound()
  })
  fastify.addHook('onRequest', fastify.requireOrigin)
  fastify.addHook('onRequest', fastify.authenticate)
  // Bodies are passed on unchanged.
  fastify.removeAllContentTypeParsers()

  await fastify.register(httpProxy, {
    upstream,
    // It would log URLs together with the secrets in them.
    disableRequestLogging: true,
    undici: {
      // Not checked by default: a man in the middle would get the key.
      connect: { timeout: TIMEOUT_MS, rejectUnauthorized: true },
      headersTimeout: TIMEOUT_MS
    },
    replyOptions: {
      // By default it asks a busy upstream up to ten times more.
      retryDelay: () => null,
      rewriteRequestHeaders: (_request, headers) => ({ ...pick(headers), 'x-api-key': key }),
      // Cookies of this host belong to the demo.
      rewriteHeaders: ({ 'set-cookie': _dropped, ...headers }) => headers,
      onError: (reply, { error }) => {
        const late = (error as { statusCode?: number }).statusCode === 504
        reply.send(late ? new UpstreamTimeout({ cause: error }) : new UpstreamUnreachable({ cause: error }))
      }
    }
  })
}

function pick (headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(FORWARDED.map(name => [name, headers[name]]).filter(([, value]) => value !== undefined))
}
