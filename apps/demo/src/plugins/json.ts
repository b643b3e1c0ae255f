import fp from 'fastify-plugin'

/** Clients that always say JSON do so without a body, too; Fastify alone refuses that. */
export const json = fp(async fastify => {
  const parse = fastify.getDefaultJsonParser('error', 'error')
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, body as string, done)
  })
}, { name: 'demo-json' })
