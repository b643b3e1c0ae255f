import { SetUp } from '@fastify-airlock/core'
import type { FastifyInstance } from 'fastify'
import type { AuthenticateFunction, CredentialCheck } from './authenticator.js'
import { WSA_GUARD_ERR_UNSAFE } from './errors.js'
import { redactsQuery } from './logging.js'
import type { GuardSettings } from './options.js'
import { createOriginCheck } from './origin.js'

/** The codes of the guard's warnings. */
export const GUARD_WARNINGS = {
  /** Every page may connect, and a credential may be a cookie, or is found by a function. */
  ANY_ORIGIN: 'WSA_GUARD_WARN_ANY_ORIGIN',
  /** An upgrade without an Origin may have a cookie as its credential. */
  MISSING_ORIGIN: 'WSA_GUARD_WARN_MISSING_ORIGIN',
  /** A credential may be in the query, and the log shows queries. */
  LOG: 'WSA_GUARD_WARN_CREDENTIAL_IN_LOG'
} as const

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
  const setUp = SetUp.of(fastify)
  checkQueries(fastify, setUp, authenticators)
  if (settings.unsafe) return
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

const kQueries = Symbol('airlock.queries')

/** Warns once for the server, of all query parameters with a credential that the log would show. */
function checkQueries (fastify: FastifyInstance, setUp: SetUp, authenticators: ReadonlyArray<CredentialCheck | AuthenticateFunction>): void {
  const found = setUp as SetUp & { [kQueries]?: Set<string> }
  if (found[kQueries] === undefined) {
    const names = found[kQueries] = new Set<string>()
    setUp.check(() => {
      const shown = [...names].filter(name => !redactsQuery(fastify, name))
      if (shown.length > 0) {
        setUp.warn(GUARD_WARNINGS.LOG, `Credentials in the query get into the log (${shown.join(', ')}): use Fastify({ logger: { serializers: logSerializers() } }), or turn the query carrier off`)
      }
    })
  }
  for (const check of authenticators) {
    if (typeof check !== 'function' && check.carriers.query !== undefined) found[kQueries].add(check.carriers.query)
  }
}
