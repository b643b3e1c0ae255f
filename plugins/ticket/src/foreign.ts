import { type AllowedOrigin, createOriginCheck, grants, isThenable, Misuse, schemeOf } from '@fastify-airlock/core'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { HookDeadline } from './deadline.js'
import { WSA_TICKET_ERR_OPTION, WSA_TICKET_ERR_ORIGIN } from './errors.js'

type Done = (error?: Error) => void

const ALLOWS = grants('allowedOrigins')

/**
 * Names of headers in which proxies pass a certificate on (`Client-Cert` of RFC 9440, `X-Forwarded-Client-Cert`, `SSL-Client-Verify`,
 * `X-Amzn-Mtls-Clientcert`, `X-Client-Verify`, …), or what they have found out about it;
 * not what they say of anybody, such as `X-Client-IP`.
 */
const CERTIFICATE = /client[-_]?cert|ssl[-_](?:client|cert)|tls[-_]client|mtls|^x[-_]client[-_](?!(?:ip|port|addr(?:ess)?|rtt|geo|trace|data|version)(?:[-_]|$))/i

/**
 * Names of headers in which proxies say whom they have signed in: `Remote-User`, `X-Forwarded-Email`, `X-Auth-Request-User`,
 * `X-Goog-IAP-JWT-Assertion`, `Cf-Access-Jwt-Assertion`, `X-Amzn-Oidc-Identity`, `X-MS-CLIENT-PRINCIPAL`, `OIDC_CLAIM_sub`, ….
 */
const IDENTITY = /(?:^|[-_])(?:user(?![-_](?:agent|ip)(?:[-_]|$))|user(?:name|id|info)|login|email|groups|principal|identity|subject|upn|eppn|dn|consumer|assertion|oidc|jwt[-_](?:payload|claim))(?:[-_]|$)/i

/** Schemes whose credentials a browser sends by itself (RFC 7617, RFC 7616, RFC 4559). A page that sets any other has asked first. */
const AMBIENT = /^(?:basic|digest|negotiate|ntlm)\b/i

/**
 * Makes the hook that refuses what any page can have a browser send: a request that needs no CORS preflight, such as a form, from
 * an origin that is not allowed, unless its only credential is one that the page itself must have set. The type of the body says
 * nothing about who has sent it.
 *
 * @throws {@link WSA_TICKET_ERR_OPTION} when an entry is no origin
 */
export function refuseForeign (scope: FastifyInstance, allowed: readonly AllowedOrigin[] | undefined, deadline: HookDeadline) {
  const misuse = Misuse.of(scope, 'WSA_TICKET_WARN_ANSWER')
  const isAllowed = parse(allowed, answer => misuse.isGranted(ALLOWS, answer))
  return (request: FastifyRequest, _reply: FastifyReply, done: Done): void => {
    const { headers } = request
    if (!isAmbient(request) || isPreflighted(request)) return done()
    const { origin, 'sec-fetch-site': site } = headers
    // Without an Origin, browsers still send Sec-Fetch-Site. Other clients send neither.
    if (origin === undefined) return done(site === undefined || OWN_SITES.includes(site as string) ? undefined : new WSA_TICKET_ERR_ORIGIN())
    // A page cannot say so by itself, and a proxy may have changed the Host.
    if (allowed === undefined && site === 'same-origin') return done()
    const decide = (yes: boolean): void => done(yes ? undefined : new WSA_TICKET_ERR_ORIGIN())
    const answer = isAllowed(origin, request.host, schemeOf(request))
    if (isThenable(answer)) deadline.race(ALLOWS.hook, answer).then(decide, done)
    else decide(answer)
  }
}

function parse (allowed: readonly AllowedOrigin[] | undefined, isGranted: (answer: unknown) => boolean) {
  try {
    return createOriginCheck(allowed, isGranted)
  } catch (error) {
    throw new WSA_TICKET_ERR_OPTION(`allowedOrigins: ${(error as Error).message}`)
  }
}

/** What `Sec-Fetch-Site` says of a page of this host, and of a user who has asked by hand. */
const OWN_SITES = ['same-origin', 'none']

/** Modes of requests for which a page can set headers (Fetch, section 2.2.5). Forms, links and images have others. */
const SETS_HEADERS = ['cors', 'same-origin']

/** Whether the credential may be one that the browser, or a proxy that has signed its user in, adds for any page. */
function isAmbient ({ headers, raw: { socket } }: FastifyRequest): boolean {
  const { authorization, cookie, 'sec-fetch-mode': mode } = headers
  if (mode !== undefined && !SETS_HEADERS.includes(mode as string)) return true
  // Before `Authorization`: a proxy may have added that.
  if (cookie !== undefined || Object.keys(headers).some(name => CERTIFICATE.test(name) || IDENTITY.test(name))) return true
  if (authorization !== undefined && authorization !== '') return AMBIENT.test(authorization)
  // Whatever else lets it in: a network, a header that nobody here knows of.
  return mode !== undefined || hasCertificate(socket)
}

/** Whether the client has shown a certificate in the TLS handshake, from any issuer. */
function hasCertificate (socket: Socket): boolean {
  return (socket as Partial<TLSSocket>).getPeerX509Certificate?.() !== undefined
}

/** Whether a browser has asked whether it may send this: `@fastify/cors` has answered for the application then. */
function isPreflighted ({ headers }: FastifyRequest): boolean {
  return /^application\/json\s*(?:;|$)/i.test(headers['content-type'] ?? '')
}
