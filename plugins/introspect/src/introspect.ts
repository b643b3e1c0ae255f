import type { WsIdentity } from '@fastify-airlock/core'
import { BEARER_PROTOCOL_PREFIX } from '@fastify-airlock/protocol'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { Answers } from './answers.js'
import { Authority } from './authority.js'
import {
  WSA_INTROSPECT_ERR_INVALID_TOKEN, WSA_INTROSPECT_ERR_MULTIPLE_TOKENS, WSA_INTROSPECT_ERR_NO_TOKEN,
  WSA_INTROSPECT_ERR_NOT_AUTHENTICATED
} from './errors.js'
import { type Ask, Inquiry } from './inquiry.js'
import { parseCarriers, type ParsedCarriers, type parseIntrospect } from './options.js'
import type { CarrierOptions } from './plugin-options.js'
import { createStats } from './stats.js'
import { findTokens, readToken } from './tokens.js'
import type { IntrospectAuthenticator, Introspected, Rechecked, WsIntrospect } from './types.js'
import { createJudge, judgeLookup } from './verdict.js'
import { type Grant, Watcher } from './watcher.js'

/** {@link WsIntrospect} as a plain class. */
export class Introspect implements WsIntrospect {
  readonly stats = createStats()
  readonly authenticate: WsIntrospect['authenticate']
  readonly #options: ParsedCarriers
  readonly #authority: Authority | null
  readonly #inquiry: Inquiry
  readonly #answers: Answers
  readonly #watcher: Watcher
  readonly #grants = new WeakMap<FastifyRequest, Grant>()

  constructor (options: ReturnType<typeof parseIntrospect>, log: FastifyBaseLogger) {
    const { stats } = this
    const { header, subprotocol, cookie, query } = options
    this.#options = { header, subprotocol, cookie, query }
    this.#authority = 'lookup' in options ? null : new Authority(options)
    this.#inquiry = new Inquiry({ ...options, ask: createAsk(options, this.#authority), stats, log })
    this.#answers = new Answers({ ...options, ask: token => this.#inquiry.ask(token), stats })
    this.#watcher = new Watcher({
      answers: this.#answers, interval: options.recheckInterval, maxStale: options.maxStale, stats
    })
    const carriers = toCarriers(this.#options)
    // A hook is called with another `this`.
    this.authenticate = async request => await this.#authenticate(request, carriers)
  }

  get size (): number {
    return this.#watcher.size
  }

  authenticator (options: CarrierOptions = {}): IntrospectAuthenticator {
    return {
      carriers: toCarriers(parseCarriers({ ...this.#options, ...options })),
      authenticate: async (credential, request) => await this.#identify(credential, request)
    }
  }

  watch (socket: WebSocket, request: FastifyRequest): boolean {
    const grant = this.#grants.get(request)
    if (grant === undefined || request.wsIdentity === null) throw new WSA_INTROSPECT_ERR_NOT_AUTHENTICATED()
    return this.#watcher.watch(socket, request.wsIdentity, grant)
  }

  unwatch (socket: WebSocket): boolean {
    return this.#watcher.unwatch(socket)
  }

  async recheck (subject: string): Promise<Rechecked> {
    return await this.#watcher.recheck(subject)
  }

  /** Ends every question and forgets every token. */
  async close (): Promise<void> {
    this.#watcher.close()
    this.#inquiry.close()
    this.#answers.clear()
    await this.#authority?.close()
  }

  async #authenticate (request: FastifyRequest, carriers: IntrospectAuthenticator['carriers']): Promise<void> {
    const [credential, another] = findTokens(request, carriers)
    if (credential === undefined) throw new WSA_INTROSPECT_ERR_NO_TOKEN()
    if (another !== undefined) throw new WSA_INTROSPECT_ERR_MULTIPLE_TOKENS()
    const found = await this.#identify(credential, request)
    if (found === null) throw new WSA_INTROSPECT_ERR_INVALID_TOKEN()
    request.wsIdentity = found satisfies WsIdentity
  }

  async #identify (credential: string, request: FastifyRequest): Promise<Required<Introspected> | null> {
    const token = readToken(credential)
    if (token === null) return null
    const { forgotten } = this.#answers
    const verdict = await this.#answers.ask(token)
    if (typeof verdict === 'string') return null
    const { subject, expiresAt } = verdict
    // A copy, since what one request writes into its claims must not show up in another's.
    const claims = { ...verdict.claims }
    this.#grants.set(request, { subject, claims, expiresAt, token, forgotten })
    return { subject, claims, expiresAt }
  }
}

function createAsk (options: ReturnType<typeof parseIntrospect>, authority: Authority | null): Ask {
  if ('lookup' in options) {
    const { lookup } = options
    return async (token, signal) => judgeLookup(await lookup(token, { signal }))
  }
  const judge = createJudge(options)
  return async (token, signal) => judge(await (authority as Authority).ask(token, signal))
}

function toCarriers ({ header, subprotocol, cookie, query }: ParsedCarriers): IntrospectAuthenticator['carriers'] {
  return {
    header,
    ...(subprotocol && { subprotocol: BEARER_PROTOCOL_PREFIX }),
    ...(cookie !== false && { cookie }),
    ...(query !== false && { query })
  }
}
