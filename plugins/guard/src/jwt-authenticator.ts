import {
  callback, createJwtVerifier, errorStatus, isThenable, jwtOptions, type JwtOptions, markRoutePart, Misuse, next, noteCause, optionsObject, parseOptions, revokes,
  type VerifiedToken
} from '@fastify-airlock/core'
import { BEARER_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import type { FastifyRequest } from 'fastify'
import * as v from 'valibot'
import type { CredentialCheckFactory } from './authenticator.js'
import { cookieCarrier, queryCarrier, toCarriers } from './carriers.js'
import { WSA_GUARD_ERR_OPTION, WSA_GUARD_ERR_UNAVAILABLE } from './errors.js'
import { authenticatorMaker } from './route-part.js'
import { GUARD_WARNINGS } from './warnings.js'

/** Options of {@link jwt}, in addition to those of the verification. */
export interface JwtAuthenticatorOptions extends JwtOptions {
  /**
   * Whether `Authorization: Bearer <jwt>` is read. Browsers cannot send it; other clients can.
   * @default true
   */
  header?: boolean
  /**
   * Whether `Sec-WebSocket-Protocol: …, bearer.<jwt>` is read.
   * @default true
   */
  subprotocol?: boolean
  /**
   * Name of a cookie that carries the JWT, or `false`. Browsers send cookies for any page that can reach the server: check
   * the Origin strictly, and make the cookie `SameSite`.
   * @default false
   */
  cookie?: string | false
  /**
   * Name of a query parameter that carries the JWT, or `false`. A JWT in a URL is logged, and valid until it
   * expires.
   * @default false
   */
  query?: string | false
  /**
   * Whether a valid token has been revoked. Anything but `false` refuses with 401, and so does an answer that is later than
   * `upgradeTimeout`, with 503. `fastify.jwt.verify` ignores the `trusted` option of `@fastify/jwt`.
   * @default none is
   */
  isRevoked?: (token: VerifiedToken, request: FastifyRequest) => boolean | Promise<boolean>
}

const REVOKES = revokes('isRevoked')

const jwtAuthenticatorOptions = optionsObject({
  ...jwtOptions.entries,
  header: v.optional(v.boolean(), true),
  subprotocol: v.optional(v.boolean(), true),
  cookie: v.optional(cookieCarrier, false),
  query: v.optional(queryCarrier, false),
  isRevoked: v.optional(callback<NonNullable<JwtAuthenticatorOptions['isRevoked']>>())
})

/**
 * Accepts a JWT on the upgrade itself, without a ticket.
 *
 * @throws {@link WSA_GUARD_ERR_OPTION} when an option is wrong
 *
 * @example
 * app.wsGuard({ authenticate: jwt({ audience: 'chat', issuer: 'https://id.example.com' }) })
 */
export function jwt (options: JwtAuthenticatorOptions = {}): CredentialCheckFactory {
  const { header, subprotocol, cookie, query, isRevoked, ...verification } = parseOptions(jwtAuthenticatorOptions, options, WSA_GUARD_ERR_OPTION)
  return {
    prepare (fastify) {
      const misuse = Misuse.of(fastify, GUARD_WARNINGS.ANSWER)
      const verify = createJwtVerifier(fastify, verification, WSA_GUARD_ERR_OPTION)
      return {
        carriers: toCarriers(subprotocol && BEARER_PROTOCOL_PREFIX, cookie, query, header),
        authenticate (value, request) {
          return next(verify(value, request), token => {
            if (typeof token === 'string') return refuse(request, token)
            return isRevoked === undefined
              ? token
              : next(asked(() => isRevoked(token, request)), answer => misuse.isRevoked(REVOKES, answer) ? refuse(request, 'token revoked') : token)
          })
        }
      }
    }
  }
}

markRoutePart(jwt, authenticatorMaker('jwt'))

/** The token is good, whatever status the error of a look-up has that was asked about it. */
function asked<T> (ask: () => T | PromiseLike<T>): T | Promise<T> {
  try {
    const answer = ask()
    return isThenable(answer) ? Promise.resolve(answer as PromiseLike<T>).catch(fail) : answer
  } catch (error) {
    return fail(error)
  }
}

function fail (error: unknown): never {
  throw (errorStatus(error) ?? 0) >= 500 ? error : new WSA_GUARD_ERR_UNAVAILABLE({ cause: error })
}

function refuse ({ raw }: FastifyRequest, cause: string): null {
  noteCause(raw, cause)
  return null
}
