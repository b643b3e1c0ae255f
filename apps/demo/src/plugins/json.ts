import fp from 'fastify-plugin'

/** Accepts `Content-Type: application/json` without a body, which some clients always send; Fastify alone refuses it. */
export const json = fp(async fastify => {
  const parse = fastify.getDefaultJsonParser('error', 'error')
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, body as string, done)
  })
}, { name: 'demo-json' })
