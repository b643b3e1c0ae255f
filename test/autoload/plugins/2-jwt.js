import jwt from '@fastify/jwt'
import fp from 'fastify-plugin'

export default fp(async fastify => { await fastify.register(jwt, { secret: 'a secret for tests that is long enough' }) })
