import introspect from '@fastify-airlock/introspect'
import fp from 'fastify-plugin'

// As the template of fastify-cli passes options on.
export default fp(async (fastify, options) => { await fastify.register(introspect, { ...options, lookup: () => null }) })
