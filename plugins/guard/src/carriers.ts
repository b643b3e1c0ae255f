import { type Carriers, cookieName, nonEmptyString } from '@fastify-airlock/core'
import * as v from 'valibot'

/** The schema of a query parameter's name, or `false`. */
export const queryCarrier = v.union([nonEmptyString, v.literal(false)])

/** The schema of a cookie's name, or `false`. */
export const cookieCarrier = v.union([cookieName, v.literal(false)])

/** Makes carriers of options in which `false` stands for a carrier that is not read. */
export function toCarriers (subprotocol: string | false, cookie: string | false, query: string | false, header: boolean): Carriers {
  return {
    ...(subprotocol !== false && { subprotocol }),
    ...(cookie !== false && { cookie }),
    ...(query !== false && { query }),
    header
  }
}
