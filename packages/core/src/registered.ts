import { createError } from '@fastify/error'
import type { FastifyInstance } from 'fastify'

/** That of Fastify itself, with the cure. */
const FST_ERR_DEC_ALREADY_PRESENT = createError<'FST_ERR_DEC_ALREADY_PRESENT', [string, string]>(
  'FST_ERR_DEC_ALREADY_PRESENT', "The decorator '%s' has already been added! %s", 500
)

/** Plugins that fastify-airlock registers, by the names of its options. */
const PARTS = ['guard', 'ticket', 'handshake', 'hub', 'presence', 'heartbeat']

/**
 * Refuses a plugin that the instance has already, before it has done anything.
 *
 * @param decorator what it decorates the instance with
 * @param name its name, without that of the organization
 * @throws FST_ERR_DEC_ALREADY_PRESENT when it is there, with what to change
 */
export function refuseTwice (fastify: FastifyInstance, decorator: string, name: string): void {
  if (!Object.hasOwn(fastify, decorator)) return
  const byPreset = fastify.hasDecorator('wsRoute') && PARTS.includes(name)
  throw new FST_ERR_DEC_ALREADY_PRESENT(decorator, byPreset
    ? `fastify-airlock has registered @fastify-airlock/${name}: give the options there, { ${name}: { … } }, and do not register it again; or register it before`
    : `Register @fastify-airlock/${name} once, at the root`)
}
