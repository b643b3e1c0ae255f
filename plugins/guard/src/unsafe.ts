import { type Carriers, SetUp } from '@fastify-airlock/core'
import { TICKET_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import type { FastifyInstance } from 'fastify'
import type { AuthenticateFunction, CredentialCheck } from './authenticator.js'
import { WSA_GUARD_ERR_UNSAFE } from './errors.js'
import { redactsQuery } from './logging.js'
import type { GuardSettings } from './options.js'
import { GUARD_WARNINGS } from './warnings.js'

/** No site has this origin (RFC 2606, section 2), so only a function that says yes to everything allows it. */
const NOBODY = 'https://airlock-asks-whether-any-origin-may-connect.invalid'

/**
 * Looks for options that are allowed each and unsafe together.
 *
 * @throws {@link WSA_GUARD_ERR_UNSAFE} when nothing keeps a foreign page from using a cookie
 */
export function checkSafety (
  fastify: FastifyInstance, settings: GuardSettings, authenticators: ReadonlyArray<CredentialCheck | AuthenticateFunction>
): void {
  if (settings.unsafe) return
  const setUp = SetUp.of(fastify)
  const hasCookie = authenticators.some(check => typeof check !== 'function' && check.carriers.cookie !== undefined)
  if (!hasCookie && !authenticators.some(check => typeof check === 'function')) return
  const { allowedOrigins = [], missingOrigin } = settings
  const functions = allowedOrigins.filter(entry => typeof entry === 'function')
  const mayThrow = hasCookie && missingOrigin === 'allow'
  // The application's functions are asked only where the answer decides whether the server may start.
  const answers = functions.map(allows => CONSTANT.test(String(allows)) || (mayThrow && ask(allows)))
  if (mayThrow && answers.includes(true)) throw new WSA_GUARD_ERR_UNSAFE()
  setUp.check(async () => {
    const any = (await Promise.all(answers.map(soon))).includes(true)
    if (any && mayThrow) throw new WSA_GUARD_ERR_UNSAFE()
    if (any || allowedOrigins.includes('null')) {
      setUp.warn(GUARD_WARNINGS.ANY_ORIGIN, "allowedOrigins lets any page connect, and the browser of a user adds the user's cookies: name your origins ('null' is every sandboxed frame), turn the cookie carrier off, or say unsafe: true")
    } else if (mayThrow) {
      setUp.warn(GUARD_WARNINGS.MISSING_ORIGIN, "missingOrigin: 'allow' takes a cookie as the credential although it is not known which page sent it: leave it out, turn the cookie carrier off, or say unsafe: true")
    }
  })
}

/** A function that is nothing but "yes". */
const CONSTANT = /^(?:async\s*)?(?:function\s*)?[\w$]*\s*\(?[\w$\s,]*\)?\s*(?:=>)?\s*[({]?\s*(?:return\s+)?(?:true|!0)\s*;?\s*[)}]?$/

function ask (allows: (origin: string) => boolean | Promise<boolean>): boolean | Promise<boolean> {
  try {
    return allows(NOBODY)
  } catch {
    return false
  }
}

/** An answer that comes without waiting for anything: a database may be away at the start. */
async function soon (answer: boolean | Promise<boolean>): Promise<boolean> {
  return await Promise.race([Promise.resolve(answer).catch(() => false), new Promise<boolean>(resolve => setImmediate(resolve, false))])
}

/**
 * Warns of parameters that carry credentials into the log: at the start, or, for tickets that may come as a subprotocol as
 * well, when the first one comes. A ticket is good for once, and most servers never see one in a query.
 *
 * @returns what to call when a credential has come in the query
 */
export function watchQueries (fastify: FastifyInstance, authenticators: ReadonlyArray<CredentialCheck | AuthenticateFunction>): () => void {
  const setUp = SetUp.of(fastify)
  const carriers = authenticators.flatMap(check => typeof check === 'function' ? [] : check.carriers)
  const warnOf = (found: Carriers[]): void => {
    const shown = found.flatMap(({ query }) => query === undefined || redactsQuery(fastify, query) ? [] : query)
    if (shown.length > 0) {
      setUp.warn(GUARD_WARNINGS.LOG, `Credentials in the query get into the log (${shown.join(', ')}): Fastify({ logger: { serializers: logSerializers() } }), or turn the query carrier off`)
    }
  }
  setUp.check(() => warnOf(carriers.filter(({ subprotocol }) => subprotocol !== TICKET_PROTOCOL_PREFIX)))
  let isFirst = true
  return () => {
    if (isFirst) warnOf(carriers)
    isFirst = false
  }
}
