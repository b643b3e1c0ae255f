import type { FastifyJWTOptions } from '@fastify/jwt'
import type { Keys } from '../lib/tokens.js'

/** The options of `@fastify/jwt`, the same for every peer that uses it. */
export function jwtKeys ({ algorithm, private: key, public: publicKey }: Keys): FastifyJWTOptions {
  return {
    secret: algorithm === 'HS256' ? key : { private: key, public: publicKey },
    sign: { algorithm },
    verify: { algorithms: [algorithm] }
  }
}
