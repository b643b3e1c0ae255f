import httpProxy from '@fastify/http-proxy'
import type { FastifyPluginAsync } from 'fastify'
import type { IncomingHttpHeaders } from 'node:http'
import type { DemoOptions } from '../config.js'
import { UpstreamTimeout, UpstreamUnreachable } from '../errors.js'
import type { UpstreamUrls } from '../external-config.js'

/** Time for connecting, and for an answer to begin, in milliseconds. */
const TIMEOUT_MS = 5_000

/** What the upstream may know of a request. */
const FORWARDED = ['accept', 'accept-language', 'content-encoding', 'content-language', 'content-length', 'content-type', 'host', 'user-agent']

/** The HTTP API of another system, for whoever has a session. Its key stays here. */
export const api: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  const { api: upstream } = config.upstream as UpstreamUrls
  const key = config.upstreamToken as string

  fastify.addHook('onRequest', async (request, reply) => {
    // A WebSocket would be opened, and closed again.
    if (request.ws) return reply.callNotFound()
  })
  fastify.addHook('onRequest', fastify.requireOrigin)
  fastify.addHook('onRequest', fastify.authenticate)
  // Bodies pass as they are.
  fastify.removeAllContentTypeParsers()

  await fastify.register(httpProxy, {
    upstream,
    // It logs URLs with what is in them.
    disableRequestLogging: true,
    undici: {
      // Certificates are not checked unless told: whoever stands in between would get the key.
      connect: { timeout: TIMEOUT_MS, rejectUnauthorized: true },
      headersTimeout: TIMEOUT_MS
    },
    replyOptions: {
      // It would ask an upstream that is busy ten times over.
      retryDelay: () => null,
      rewriteRequestHeaders: (_request, headers) => ({ ...pick(headers), 'x-api-key': key }),
      // The cookies of this host are ours.
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
