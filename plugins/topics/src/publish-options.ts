import { callback, optionsObject, parseOptions } from '@fastify-airlock/core'
import * as v from 'valibot'
import type { WebSocket } from 'ws'
import { WSA_TOPICS_ERR_INVALID_PUBLICATION } from './errors.js'
import { historySchema } from './options.js'
import type { PublishOptions } from './types.js'

const schema = optionsObject({
  history: v.optional(historySchema),
  id: v.optional(v.pipe(v.string(), v.nonEmpty(), v.maxLength(256))),
  except: v.optional(v.custom<WebSocket>(value => typeof value === 'object' && value !== null, 'Expected a WebSocket')),
  filter: v.optional(callback<NonNullable<PublishOptions['filter']>>()),
  local: v.optional(v.boolean())
})

/**
 * Checks the options of `publish`.
 *
 * @throws {@link WSA_TOPICS_ERR_INVALID_PUBLICATION} when one is unknown or wrong
 */
export function parsePublishOptions (options: PublishOptions | undefined): PublishOptions {
  return options === undefined ? {} : parseOptions(schema, options, WSA_TOPICS_ERR_INVALID_PUBLICATION) as PublishOptions
}
