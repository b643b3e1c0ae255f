import { type Carriers, cookieName, nonEmptyString, optionsObject, parseOptions } from '@fastify-airlock/core'
import { BEARER_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import * as v from 'valibot'
import { WSA_INTROSPECT_ERR_OPTION } from './errors.js'

/** Which carriers of a token are read. A request must send exactly one token. */
export interface CarrierOptions {
  /**
   * Whether `Authorization: Bearer <token>` is read (RFC 6750, section 2.1). Browsers cannot send it with an upgrade.
   * @default true
   */
  header?: boolean
  /**
   * Whether the guard reads `Sec-WebSocket-Protocol: …, bearer.<token>`; `authenticate` never does.
   * @default true
   */
  subprotocol?: boolean
  /**
   * Name of the cookie that carries the token, or `false`. Browsers send a cookie with requests from any page, so the
   * Origin of upgrades has to be checked, for example by the guard.
   * @default false
   */
  cookie?: string | false
  /**
   * Name of the query parameter that carries the token, or `false`. A token in a URL gets logged, and stays valid until
   * it expires.
   * @default false
   */
  query?: string | false
}

/** The members of the schema of {@link CarrierOptions}. */
export const carrierEntries = {
  header: v.optional(v.boolean(), true),
  subprotocol: v.optional(v.boolean(), true),
  cookie: v.optional(v.union([cookieName, v.literal(false)]), false),
  query: v.optional(v.union([nonEmptyString, v.literal(false)]), false)
}

const carrierOptions = optionsObject(carrierEntries)

/** {@link CarrierOptions} with the defaults filled in. */
export type CarrierSettings = v.InferOutput<typeof carrierOptions>

/**
 * Checks the carriers of one authenticator.
 *
 * @throws {@link WSA_INTROSPECT_ERR_OPTION} when an option is wrong
 */
export function parseCarrierOptions (options: CarrierOptions): CarrierSettings {
  const settings = parseOptions(carrierOptions, options, WSA_INTROSPECT_ERR_OPTION)
  requireCarrier(settings)
  return settings
}

/** @throws {@link WSA_INTROSPECT_ERR_OPTION} when no carrier is read at all */
export function requireCarrier ({ header, subprotocol, cookie, query }: CarrierSettings): void {
  if (!header && !subprotocol && cookie === false && query === false) {
    throw new WSA_INTROSPECT_ERR_OPTION('header, subprotocol, cookie or query: at least one has to be read')
  }
}

/** The carriers in the form that the guard takes. */
export function toCarriers ({ header, subprotocol, cookie, query }: CarrierSettings): Carriers {
  return {
    header,
    ...(subprotocol && { subprotocol: BEARER_PROTOCOL_PREFIX }),
    ...(cookie !== false && { cookie }),
    ...(query !== false && { query })
  }
}
