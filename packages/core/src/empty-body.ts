import type { FastifyInstance } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { acceptEmptyJson } from './empty-json.js'
import { WSA_CORE_ERR_MEDIA_TYPE } from './errors.js'

/** A media type (RFC 9110, section 8.3.1) with or without parameters. */
const MEDIA_TYPE = /^\s*[!#$%&'*+\-.^_`|~\w]+\/[!#$%&'*+\-.^_`|~\w]+\s*(?:;|$)/

/** A type without a parser of its own. */
const OTHER_TYPE = 'application/octet-stream'

/**
 * Takes an empty body for no body at all, whatever its `Content-Type` says and however it is framed, in this scope and
 * below it. Many HTTP clients name a type for a body that they do not send: `curl -d ''` and jQuery a form, aiohttp
 * `application/octet-stream`. Fastify alone answers them with 400 or 415.
 *
 * A body that is not empty has to be JSON. Parsers that the application has added above this scope are not used in it.
 *
 * @throws {@link WSA_CORE_ERR_MEDIA_TYPE} in a request, when its body is neither empty nor declared as JSON
 */
export function acceptEmptyBody (scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  acceptEmptyJson(scope)
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    done(body.length === 0 ? null : new WSA_CORE_ERR_MEDIA_TYPE())
  })
  scope.addHook('preParsing', ({ raw }, _reply, payload, done) => {
    const { headers } = raw
    // Fastify asks for no parser then.
    if (hasNoBody(raw)) delete headers['content-type']
    // Fastify refuses a malformed type before it asks for a parser. Without any type it asks for one, and does not look at
    // what a hook has read before; but in HTTP/2 it then reads no body.
    else if (!MEDIA_TYPE.test(headers['content-type'] ?? '')) {
      if (raw.httpVersionMajor < 2) delete headers['content-type']
      else headers['content-type'] = OTHER_TYPE
    }
    done(null, payload)
  })
}

/** Whether the head of a request says that no body follows. In HTTP/2 it does not have to. */
function hasNoBody ({ headers, httpVersionMajor }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return false
  const length = headers['content-length']
  return length === undefined ? httpVersionMajor < 2 : Number(length) === 0
}
