import { notFoundHandler } from '@fastify-airlock/guard'
import type { FastifyError } from 'fastify'
import fp from 'fastify-plugin'
import { InternalError } from '../errors.js'

/** Answers every error as JSON with a code. The details of an unexpected error are only in the log. */
export const errorHandler = fp(async fastify => {
  fastify.setNotFoundHandler(notFoundHandler())

  fastify.setErrorHandler((error: FastifyError, request, reply) => {
    const known = error.code !== undefined && error.statusCode !== undefined ? error : new InternalError()
    const statusCode = known.statusCode as number
    if (statusCode >= 500) request.log.error({ err: error }, 'request failed')
    // RFC 9110, section 15.5.2: a 401 names a scheme that the client can use.
    if (statusCode === 401) reply.header('www-authenticate', 'Bearer')
    return reply.code(statusCode).send(known)
  })
}, { name: 'demo-errors' })
