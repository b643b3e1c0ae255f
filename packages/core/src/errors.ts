import { createError } from '@fastify/error'

/** `WSA_CORE_ERR_OPTION` (500): an option is not valid; the message names it. */
export const WSA_CORE_ERR_OPTION = createError<'WSA_CORE_ERR_OPTION', [detail: string]>('WSA_CORE_ERR_OPTION', 'Invalid option: %s', 500)

/**
 * `WSA_CORE_ERR_KEYS_UNAVAILABLE` (503): it is not known whether a token is valid, since the keys of its issuer cannot be
 * fetched, or may not be fetched again so soon; `cause` says why, where that is known. The client may try again.
 */
export const WSA_CORE_ERR_KEYS_UNAVAILABLE = createError<'WSA_CORE_ERR_KEYS_UNAVAILABLE', [issuer: string, options?: { cause: unknown }]>(
  'WSA_CORE_ERR_KEYS_UNAVAILABLE', 'The keys of %s cannot be had at the moment', 503
)

/** `WSA_CORE_ERR_MEDIA_TYPE` (415): a request has a body that is not declared as JSON. */
export const WSA_CORE_ERR_MEDIA_TYPE = createError<'WSA_CORE_ERR_MEDIA_TYPE', []>(
  'WSA_CORE_ERR_MEDIA_TYPE', 'Send the body as JSON with Content-Type: application/json, or send none', 415
)
