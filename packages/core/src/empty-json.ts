import type { FastifyInstance } from 'fastify'

/**
 * Takes an empty body of type `application/json` for no body at all, in this scope and below it. Clients that always
 * send `Content-Type: application/json` send it without a body as well, and Fastify alone answers that with 400.
 */
export function acceptEmptyJson (scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error')
  // The application may have put a parser of its own above this scope.
  scope.removeContentTypeParser('application/json')
  scope.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, body, done)
  })
}
