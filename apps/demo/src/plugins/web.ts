import helmet from '@fastify/helmet'
import staticFiles from '@fastify/static'
import fp from 'fastify-plugin'
import { fileURLToPath } from 'node:url'

/** The page, and the headers that confine it to its own files and its own server. */
export const web = fp(async fastify => {
  await fastify.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        // Covers WebSockets to the same host as well (CSP 3, section 6.7.2.8).
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"]
      }
    },
    // A browser keeps it for the host name whatever the port: https for a demo on localhost would break all others there.
    strictTransportSecurity: false
  })
  await fastify.register(staticFiles, {
    root: fileURLToPath(new URL('../../public/', import.meta.url)),
    // A route for each file: with a wildcard every unknown path would be a route, and an upgrade to it answered with 101.
    wildcard: false
  })
}, { name: 'demo-web' })
