import type { WsIdentity } from '@fastify-airlock/core'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { answer } from '../answer.js'
import type { DemoOptions } from '../config.js'
import { AuthorityClient } from '../authority-client.js'
import { socketOptions } from '../socket-options.js'
import type { AuthorityUrls } from '../external-config.js'
import { EXTERNAL_COOKIE, EXTERNAL_PARAMETER } from '../plugins/external-tokens.js'
import { userOf } from '../users.js'
import { type Credentials, credentials } from './session.js'

/** What an external token opens: HTTP and a WebSocket, with the same check. */
export const external: FastifyPluginAsync<DemoOptions> = async (fastify, { config }) => {
  const { wsIntrospect, wsHub } = fastify
  const authority = new AuthorityClient(config.authority as AuthorityUrls, config.authorityClient)
  fastify.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })

  fastify.post<{ Body: Credentials }>('/external/login', {
    schema: { body: credentials },
    config: { rateLimit: { max: 300, timeWindow: 60_000 } }
  }, async (request, reply) => {
    const { token, expiresIn } = await authority.login(request.body.username, request.body.password)
    reply.setCookie(EXTERNAL_COOKIE, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: request.protocol === 'https',
      maxAge: expiresIn
    })
    // Not the token: the page has no use for it, and neither has a script that got into the page.
    return { expiresIn }
  })

  fastify.get('/external/me', { preHandler: wsIntrospect.authenticate }, async request => userInfo(request.wsIdentity as WsIdentity))

  fastify.post('/external/logout', { preHandler: wsIntrospect.authenticate }, async (request, reply) => {
    await authority.revoke(tokenOf(request))
    reply.clearCookie(EXTERNAL_COOKIE, { path: '/' })
    await wsIntrospect.recheck((request.wsIdentity as WsIdentity).subject)
    return reply.code(204).send()
  })

  const { origins } = socketOptions(fastify, config)
  const guarded = { websocket: true, preValidation: fastify.wsGuard({ ...origins, authenticate: wsIntrospect.authenticator() }) } as const
  fastify.get('/ws/external', guarded, (socket, request) => {
    // One object for the connection, which the re-checks keep up to date.
    const identity = request.wsIdentity as WsIdentity
    // The authority's alice is not ours: logging one out must not concern the other.
    if (!wsHub.add(socket, { subject: `external:${identity.subject}` })) return
    wsIntrospect.watch(socket, request)
    const tell = (type: string) => JSON.stringify({ type, userInfo: userInfo(identity) })
    socket.on('message', (data: Buffer, isBinary: boolean) => socket.send(answer(data, isBinary, () => tell('whoami'))))
    socket.send(tell('hello'))
  })
}

/** What the authority says of a user. */
function userInfo ({ subject, claims, expiresAt }: WsIdentity) {
  const { scope } = claims
  return { ...userOf({ ...claims, sub: subject }), scope: typeof scope === 'string' ? scope : '', expiresAt }
}

/** The token of a request that has just one, and was let in with it. */
function tokenOf ({ cookies, query, headers }: FastifyRequest): string {
  const parameter = (query as Record<string, string>)[EXTERNAL_PARAMETER]
  return cookies[EXTERNAL_COOKIE] ?? parameter ?? (headers.authorization as string).slice('Bearer '.length)
}
