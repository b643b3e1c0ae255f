import type { WsIdentity } from '@fastify-airlock/core'
import type { FastifyPluginAsync } from 'fastify'
import { answer } from '../answer.js'
import type { DemoOptions } from '../config.js'
import { AuthorityClient } from '../authority-client.js'
import { socketOptions } from '../socket-options.js'
import type { AuthorityUrls } from '../external-config.js'
import { externalCookieOf } from '../plugins/external-tokens.js'
import { userOf } from '../users.js'
import { type Credentials, credentials } from './session.js'

/** Routes for external tokens: HTTP and a WebSocket, with the same check. */
export const external: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  const { wsIntrospect, wsHub } = fastify
  const cookie = externalCookieOf(config)
  const authority = new AuthorityClient(config.authority as AuthorityUrls, config.authorityClient)
  fastify.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  fastify.post<{ Body: Credentials }>('/external/login', {
    schema: { body: credentials },
    config: { rateLimit: { max: 300, timeWindow: 60_000 } }
  }, async (request, reply) => {
    const { token, expiresIn } = await authority.login(request.body.username, request.body.password)
    reply.setCookie(cookie, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: request.protocol === 'https',
      maxAge: expiresIn
    })
    // Not the token: the page does not need it, and a script injected into the page must not get it.
    return { expiresIn }
  })

  fastify.get('/external/me', { preHandler: wsIntrospect.authenticate }, async request => userInfo(request.wsIdentity as WsIdentity))

  fastify.post('/external/logout', { preHandler: wsIntrospect.authenticate }, async (request, reply) => {
    await authority.revoke(wsIntrospect.tokenOf(request))
    reply.clearCookie(cookie, { path: '/', secure: request.protocol === 'https' })
    await wsIntrospect.recheck((request.wsIdentity as WsIdentity).subject)
    return reply.code(204).send()
  })

  const { origins } = socketOptions(fastify, config)
  const guarded = { websocket: true, preValidation: fastify.wsGuard({ ...origins, authenticate: wsIntrospect.authenticator() }) } as const
  fastify.get('/ws/external', guarded, (socket, request) => {
    // The re-checks of the token update this object.
    const identity = request.wsIdentity as WsIdentity
    // The authority's alice is another user than the demo's: logging out one must not disconnect the other.
    if (!wsHub.add(socket, { subject: `external:${identity.subject}` })) return
    wsIntrospect.watch(socket, request)
    const tell = (type: string) => JSON.stringify({ type, userInfo: userInfo(identity) })
    socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(answer(data, isBinary, () => tell('whoami'))))
    socket.send(tell('hello'))
  })
}

/** What the authority says about a user. */
function userInfo ({ subject, claims, expiresAt }: WsIdentity) {
  const { scope } = claims
  return { ...userOf({ ...claims, sub: subject }), scope: typeof scope === 'string' ? scope : '', expiresAt }
}
