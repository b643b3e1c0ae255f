import type { WebSocket } from '@fastify/websocket'
import { jwks } from '@fastify-airlock/core/jwks'
import wsIntrospect from '@fastify-airlock/introspect'
import wsTickets from '@fastify-airlock/ticket'
import type { FastifyInstance, FastifyRequest } from 'fastify'

export interface Provider {
  /** The `iss` of its tokens, where its keys are found. */
  issuer: string
  /** What its access tokens for this server have as `aud`. */
  audience: string
}

export interface AskedProvider extends Provider {
  /** `introspection_endpoint` of its metadata. */
  endpoint: string
  /** What the provider calls this server. */
  clientId: string
  clientSecret: string
}

/** Your application. */
function chat (socket: WebSocket, { wsIdentity }: FastifyRequest): void {
  socket.on('message', text => socket.send(`${wsIdentity?.subject}: ${String(text)}`))
}

/** Access tokens that only the provider can read: it is asked about each (RFC 7662). */
export async function opaqueTokens (app: FastifyInstance, provider: AskedProvider): Promise<void> {
  await app.register(wsIntrospect, provider)
  const { authenticate } = app.wsIntrospect.authenticator()
  const sockets = new WeakMap<FastifyRequest, WebSocket>()

  /** Of the first frame, and of a refresh, from which on the new token is the one that is checked from time to time. */
  async function verify (token: string, request: FastifyRequest | null): Promise<object> {
    const found = await authenticate(token, request as FastifyRequest)
    if (found === null) throw new Error('The provider does not confirm the token')
    const socket = sockets.get(request as FastifyRequest)
    if (socket !== undefined) {
      app.wsIntrospect.unwatch(socket)
      app.wsIntrospect.watch(socket, request as FastifyRequest)
    }
    return { ...found.claims, sub: found.subject }
  }

  await app.register(wsTickets, {
    route: { hook: 'onRequest', authenticate: app.wsIntrospect.authenticate, subject: ({ wsIdentity }) => wsIdentity?.subject }
  })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake((socket, request) => {
    sockets.set(request, socket)
    app.wsIntrospect.watch(socket, request)
    chat(socket, request)
  }, { jwt: { verify } }))
}

/** Access tokens that are JWTs (RFC 9068): checked here, with the keys that the provider publishes. */
export async function jwtTokens (app: FastifyInstance, { issuer, audience }: Provider): Promise<void> {
  const jwt = jwks({ issuer, audience, typ: 'at+jwt' })
  const users = new WeakMap<FastifyRequest, string>()
  await app.register(wsTickets, {
    route: {
      hook: 'onRequest',
      authenticate: async request => {
        const [, token = ''] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? []
        try {
          const { sub } = await jwt.verify(token, request) as { sub: string }
          users.set(request, sub)
        } catch (error) {
          // 503 while the keys cannot be had; of jose's errors none has a status.
          throw Object.assign(error as object, { statusCode: (error as { statusCode?: number }).statusCode ?? 401 })
        }
      },
      subject: request => users.get(request)
    }
  })
  app.get('/ws', { websocket: true, preValidation: app.wsGuard() }, app.wsHandshake(chat, { jwt }))
}
