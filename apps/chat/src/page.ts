import helmet from '@fastify/helmet'
import staticFiles from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { fileURLToPath } from 'node:url'

/** What `npm run build` makes of the folder `page`. */
const BUILT = fileURLToPath(new URL('../dist/', import.meta.url))

const [self, none] = [["'self'"], ["'none'"]]

/** Serves the page: it may load its own files, talk to its own server, and be framed by nobody. */
export async function servePage (app: FastifyInstance, root = BUILT): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: none, scriptSrc: self, styleSrc: self, imgSrc: self, connectSrc: self, formAction: self, baseUri: none, frameAncestors: none }
    },
    // The proxy that ends TLS decides about it.
    strictTransportSecurity: false
  })
  // A route for each file: with a wildcard, every unknown path would have an answer.
  await app.register(staticFiles, { root, wildcard: false })
}
