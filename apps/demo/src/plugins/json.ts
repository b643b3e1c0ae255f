import { acceptEmptyBody } from '@fastify-airlock/core'
import fp from 'fastify-plugin'

/** Takes an empty body for none, of any type, in every route. */
export const json = fp(async fastify => { acceptEmptyBody(fastify) }, { name: 'demo-json' })
