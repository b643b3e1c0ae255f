import { acceptEmptyJson } from '@fastify-airlock/core'
import fp from 'fastify-plugin'

/** Accepts `Content-Type: application/json` without a body, in every route. */
export const json = fp(async fastify => { acceptEmptyJson(fastify) }, { name: 'demo-json' })
