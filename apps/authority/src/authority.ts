import formbody from '@fastify/formbody'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { isClient } from './client.js'
import type { AuthorityConfig } from './config.js'
import { TokenStore } from './tokens.js'
import { findUser, login } from './users.js'

export { type Client, demoClient } from './client.js'
export { type AuthorityConfig, loadConfig } from './config.js'
export { type TokenRecord, TokenStore } from './tokens.js'
export { type AuthorityUser, demoUsers } from './users.js'

/** Name of the cookie that `POST /token` sets. */
export const TOKEN_COOKIE = 'ext_token'

const shortText = { type: 'string', maxLength: 1_024 }
const grantBody = {
  type: 'object',
  properties: { username: shortText, password: shortText, sub: shortText, expires_in: { type: 'integer', minimum: 1, maximum: 86_400 } },
  oneOf: [{ required: ['username', 'password'] }, { required: ['sub'] }]
}
const tokenBody = { type: 'object', required: ['token'], properties: { token: { type: 'string', minLength: 1 } } }

interface Grant {
  username?: string
  password?: string
  sub?: string
  expires_in?: number
}

/** Options of {@link buildAuthority} that are not part of the configuration. */
export interface BuildOptions {
  /**
   * Where tokens are kept. A second authority with the same store knows the tokens of the first.
   * @default a new store
   */
  store?: TokenStore
  /**
   * Where log lines go.
   * @default standard output
   */
  logStream?: { write (line: string): void }
}

/**
 * Builds the authority, ready for `listen` or `inject`: `POST /token`, `POST /introspect` (RFC 7662), `POST /revoke`
 * (RFC 7009) and `GET /healthz`.
 */
export async function buildAuthority (
  { client, tokenTtl, logLevel }: Pick<AuthorityConfig, 'client' | 'tokenTtl' | 'logLevel'>,
  { store = new TokenStore(), logStream }: BuildOptions = {}
): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: 16 * 1024,
    logger: { level: logLevel, ...(logStream !== undefined && { stream: logStream }) }
  })
  await app.register(formbody)
  const clientOnly = async ({ headers }: FastifyRequest, reply: FastifyReply) => {
    if (!isClient(headers.authorization, client)) return refuseClient(reply)
  }

  app.setErrorHandler((error: { statusCode?: number }, request, reply) => {
    const statusCode = error.statusCode ?? 500
    if (statusCode >= 500) request.log.error({ err: error }, 'request failed')
    // RFC 6749, section 5.2. Fastify's own message may quote the body.
    return reply.code(statusCode).send({ error: statusCode >= 500 ? 'server_error' : 'invalid_request' })
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })

  app.post<{ Body: Grant }>('/token', { schema: { body: grantBody } }, async ({ headers, body }, reply) => {
    const { username, password, sub, expires_in: seconds = tokenTtl } = body
    // A client may get a token for any subject; a user needs the password.
    if (sub !== undefined && !isClient(headers.authorization, client)) return refuseClient(reply)
    const user = sub === undefined ? login(username as string, password as string) : { sub, scope: '', ...findUser(sub) }
    if (user === null) return reply.code(400).send({ error: 'invalid_grant' })
    const { token } = store.issue(user.sub, user.scope, seconds)
    reply.header('set-cookie', `${TOKEN_COOKIE}=${token}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax`)
    return { access_token: token, token_type: 'Bearer', expires_in: seconds, scope: user.scope }
  })

  const forClients = { schema: { body: tokenBody }, onRequest: clientOnly }
  app.post<{ Body: { token: string } }>('/introspect', forClients, async ({ body }) => {
    const record = store.find(body.token)
    if (record === null) return { active: false }
    const user = findUser(record.sub)
    return {
      active: true,
      token_type: 'Bearer',
      client_id: client.id,
      ...record,
      ...(user !== null && { username: user.sub, name: user.name, role: user.role })
    }
  })

  app.post<{ Body: { token: string } }>('/revoke', forClients, async ({ body }, reply) => {
    store.revoke(body.token)
    // RFC 7009, section 2.2: an unknown token counts as revoked.
    return reply.code(200).send()
  })

  app.get('/healthz', async () => ({ status: 'ok', tokens: store.size }))
  return app
}

function refuseClient (reply: FastifyReply): FastifyReply {
  return reply.code(401).header('www-authenticate', 'Basic realm="authority"').send({ error: 'invalid_client' })
}
