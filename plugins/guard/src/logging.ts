import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Query parameters whose values are secrets, by default. */
export const SECRET_PARAMETERS: readonly string[] = ['ticket', 'token', 'access_token', 'id_token', 'jwt', 'api_key']

/**
 * Replaces the values of secret query parameters. It recognizes a parameter's name in any letter case and with any
 * percent-encoding, as the server does, and wherever a router may begin the query: after `?`, `#` and `;`. It also
 * replaces the user information of a whole URL.
 *
 * @param url a path with a query, or a whole URL
 * @param secrets names in lower case
 * @default secrets SECRET_PARAMETERS
 *
 * @example
 * redactUrl('/ws?ticket=abc&room=1') // '/ws?ticket=[redacted]&room=1'
 */
export function redactUrl (url: string, secrets: readonly string[] = SECRET_PARAMETERS): string {
  const clean = url.replace(USER, `$1${REDACTED}@`)
  let redacted = ''
  let from = 0
  // A query begins at the first of these, of which `;` counts with `useSemicolonDelimiter` only. Each is tried, since one
  // that does not begin the query here may stand before the one that does.
  NAME.lastIndex = 0
  for (let match; (match = NAME.exec(clean)) !== null;) {
    if (!secrets.includes(decodeName(match[1] as string))) continue
    redacted += clean.slice(from, NAME.lastIndex) + REDACTED
    const next = clean.indexOf('&', NAME.lastIndex)
    from = NAME.lastIndex = next === -1 ? clean.length : next
  }
  return redacted + clean.slice(from)
}

/** What stands for a secret in the log. */
export const REDACTED = '[redacted]'

/** `https://user:password@` (RFC 3986, section 3.2.1), or the same without a scheme. */
const USER = /^((?:[a-z][a-z\d+.-]*:)?\/\/)[^/?#]*@/i

/** The name of a parameter, or of a cookie, up to its `=`. */
const NAME = /(?:^|[?;#&])([^=?;#&]*)=/g

function decodeName (name: string): string {
  try {
    return decodeURIComponent(name.replaceAll('+', ' ')).toLowerCase()
  } catch {
    return name.toLowerCase()
  }
}

/**
 * Makes log serializers that redact every URL that Fastify and its plugins log: `req` of the request lines, `path` of
 * `@fastify/websocket`, `url` of proxies. The option `redact` of pino cannot do this, because it does not look inside a
 * string. Together with {@link notFoundHandler}, no URL reaches the log unredacted.
 *
 * @param secrets names of query parameters, in lower case
 * @default secrets SECRET_PARAMETERS
 *
 * @example
 * const app = Fastify({ logger: { serializers: logSerializers() } })
 */
export function logSerializers (secrets: readonly string[] = SECRET_PARAMETERS) {
  const redact = <T>(url: T): T | string => typeof url === 'string' ? redactUrl(url, secrets) : url
  return {
    /** The members that Fastify logs of a request. */
    req: (request: FastifyRequest) => ({
      method: request.method,
      url: redact(request.url),
      // Most requests have none, but Fastify's types require a string.
      version: request.headers?.['accept-version'] as string,
      host: request.host,
      remoteAddress: request.ip,
      remotePort: request.socket?.remotePort as number
    }),
    path: redact<unknown>,
    url: redact<unknown>
  }
}

/**
 * Makes a not-found handler that names the path without query and user information, and only in the reply. Fastify's own handler writes the
 * whole URL into the log and into the body.
 *
 * @example
 * app.setNotFoundHandler(notFoundHandler())
 */
export function notFoundHandler () {
  return function (request: FastifyRequest, reply: FastifyReply): void {
    const [path] = redactUrl(request.url).split(/[?;#]/, 1)
    reply.code(404).send({ statusCode: 404, code: 'FST_ERR_NOT_FOUND', error: 'Not Found', message: `Route ${request.method}:${path} not found` })
  }
}

/** Where pino has the serializers of a logger (`pino.symbols.serializersSym`). */
const SERIALIZERS = Symbol.for('pino.serializers')

/**
 * Whether a query parameter stays out of the log, as far as that can be seen: its serializer of requests is tried, and so
 * is the factory of the requests' loggers. A logger that is off, or has no serializers, shows nothing.
 */
export function redactsQuery (fastify: FastifyInstance, parameter: string): boolean {
  const { log, initialConfig } = fastify
  if (log.level === 'silent' || initialConfig.disableRequestLogging === true) return true
  const url = `/?${parameter}=shown`
  const request = { method: 'GET', url, originalUrl: url, headers: {}, host: '', ip: '', socket: {}, raw: { url } }
  try {
    const child = fastify.childLoggerFactory(log, {}, {}, request.raw as FastifyRequest['raw'])
    const { req } = (child as unknown as { [SERIALIZERS]?: { req?: (request: unknown) => unknown } })[SERIALIZERS] ?? {}
    return !JSON.stringify(req?.(request) ?? '').includes('shown')
  } catch {
    return true
  }
}
