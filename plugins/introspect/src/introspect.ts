import {
  bindMethods, type Carriers, isPlainTarget, markRoutePart, Misuse, noteCause, type Rule, type TargetSource, type WsIdentity
} from '@fastify-airlock/core'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { Answers } from './answers.js'
import { clientOf } from './asker.js'
import { Authority } from './authority.js'
import { type CarrierOptions, type CarrierSettings, parseCarrierOptions, toCarriers } from './carriers.js'
import {
  WSA_INTROSPECT_ERR_INVALID_TOKEN, WSA_INTROSPECT_ERR_MULTIPLE_TOKENS, WSA_INTROSPECT_ERR_NO_TOKEN,
  WSA_INTROSPECT_ERR_NOT_AUTHENTICATED, WSA_INTROSPECT_ERR_TARGET, WSA_INTROSPECT_ERR_TOO_MANY_PENDING,
  WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS
} from './errors.js'
import { Inquiry } from './inquiry.js'
import type { IntrospectSettings } from './options.js'
import type { Ask } from './question.js'
import { type OrderHub, RECHECK_ORDER, sumUp } from './recheck.js'
import { CHECK, MAKER } from './route-part.js'
import { createStats } from './stats.js'
import { findTokens, readToken } from './tokens.js'
import type { IntrospectAuthenticator, Rechecked, RecheckOptions, WsIntrospect } from './types.js'
import { createJudge, type Introspected, type IntrospectProblem, isIntrospected, judgeLookup, type Verdict } from './verdict.js'
import { type Grant, Watcher } from './watcher.js'

/** Implements {@link WsIntrospect} without Fastify. */
export class Introspect implements WsIntrospect {
  readonly stats = createStats()
  readonly authenticate: WsIntrospect['authenticate']
  readonly #log: FastifyBaseLogger
  #warned = false
  #warnedOfProxy = false
  readonly #carrierSettings: CarrierSettings
  readonly #maxAuthBytes: number
  readonly #authority: Authority | null
  readonly #inquiry: Inquiry
  readonly #answers: Answers
  readonly #watcher: Watcher
  #hub: OrderHub | null = null
  readonly #grants = new WeakMap<FastifyRequest, Grant>()

  readonly #beginsWithSemicolon: (target: TargetSource) => boolean

  /**
   * @param beginsWithSemicolon whether the query of a target begins with `;`
   * @param server the HTTP server, of which events tell
   */
  constructor (settings: IntrospectSettings, log: FastifyBaseLogger, beginsWithSemicolon: (target: TargetSource) => boolean, server?: object) {
    const { stats } = this
    this.#beginsWithSemicolon = beginsWithSemicolon
    const { header, subprotocol, cookie, query } = settings
    this.#log = log
    this.#carrierSettings = { header, subprotocol, cookie, query }
    this.#maxAuthBytes = settings.maxAuthBytes
    this.#authority = 'lookup' in settings ? null : new Authority(settings)
    this.#inquiry = new Inquiry({ ...settings, ask: createAsk(settings, this.#authority, log), stats, log, server })
    this.#answers = new Answers({ ...settings, inquiry: this.#inquiry, stats })
    this.#watcher = new Watcher({
      answers: this.#answers, interval: settings.recheckInterval, maxStale: settings.maxStale, stats, server
    })
    const carriers = toCarriers(this.#carrierSettings)
    // A hook is called with another `this`.
    this.authenticate = markRoutePart(async request => await this.#authenticate(request, carriers), CHECK)
    bindMethods(this)
    markRoutePart(this.authenticator, MAKER)
  }

  get size (): number {
    return this.#watcher.size
  }

  authenticator (options: CarrierOptions = {}): IntrospectAuthenticator {
    return {
      carriers: toCarriers(parseCarrierOptions({ ...this.#carrierSettings, ...options })),
      authenticate: async (credential, request) => await this.#identify(credential, request)
    }
  }

  watch (socket: WebSocket, request: FastifyRequest): boolean {
    const grant = this.#grants.get(request)
    if (grant === undefined || request.wsIdentity === null) throw new WSA_INTROSPECT_ERR_NOT_AUTHENTICATED()
    return this.#watcher.watch(socket, request.wsIdentity, grant)
  }

  tokenOf (request: FastifyRequest): string {
    const grant = this.#grants.get(request)
    if (grant === undefined) throw new WSA_INTROSPECT_ERR_NOT_AUTHENTICATED()
    return grant.token
  }

  unwatch (socket: WebSocket): boolean {
    return this.#watcher.unwatch(socket)
  }

  async recheck (subject: string, { timeout }: RecheckOptions = {}): Promise<Rechecked> {
    if (this.#hub === null) return await this.#watcher.recheck(subject)
    const { answers, nodes } = await this.#hub.giveOrder(RECHECK_ORDER, subject, { timeout })
    return { ...sumUp(answers), ...(nodes > 1 && { nodes }) }
  }

  /** Has every node of a hub re-check what one of them does. */
  connect (hub: OrderHub): void {
    this.#hub = hub
    hub.onOrder(RECHECK_ORDER, async subject => JSON.stringify(await this.#watcher.recheck(subject)))
  }

  /** Ends every question and forgets every token. */
  async close (): Promise<void> {
    this.#watcher.close()
    this.#inquiry.close()
    this.#answers.clear()
    await this.#authority?.close()
  }

  async #authenticate (request: FastifyRequest, carriers: Carriers): Promise<void> {
    if (!isPlainTarget(request)) throw new WSA_INTROSPECT_ERR_TARGET()
    const [credential, another] = findTokens(request, carriers)
    if (credential === undefined) throw new WSA_INTROSPECT_ERR_NO_TOKEN()
    if (another !== undefined) throw new WSA_INTROSPECT_ERR_MULTIPLE_TOKENS()
    if (credential.carrier === 'query' && this.#beginsWithSemicolon(request)) throw new WSA_INTROSPECT_ERR_TARGET()
    const found = await this.#identify(credential.value, request)
    if (found === null) throw new WSA_INTROSPECT_ERR_INVALID_TOKEN()
    request.wsIdentity = found satisfies WsIdentity
  }

  async #identify (credential: string, request: FastifyRequest): Promise<Required<Introspected> | null> {
    const token = readToken(credential, this.#maxAuthBytes)
    if (token === null) return null
    const { forgotten } = this.#answers
    let verdict: Verdict
    try {
      verdict = await this.#answers.ask(token, () => clientOf(request))
    } catch (error) {
      this.#explainLimit(error, request)
      throw error
    }
    if (typeof verdict === 'string') {
      this.#explain(verdict)
      noteCause(request.raw, verdict)
      return null
    }
    const { subject, expiresAt } = verdict
    // A copy, so that a request that writes to its claims does not change those of another.
    const claims = { ...verdict.claims }
    this.#grants.set(request, { subject, claims, expiresAt, token, forgotten })
    return { subject, claims, expiresAt }
  }

  /** A limit for an address may be meant for one client and count all: without `trustProxy`, which gives a request `ips`. */
  #explainLimit (error: unknown, { ips, headers }: FastifyRequest): void {
    if (this.#warnedOfProxy || ips !== undefined || headers['x-forwarded-for'] === undefined) return
    if (!(error instanceof WSA_INTROSPECT_ERR_TOO_MANY_PENDING || error instanceof WSA_INTROSPECT_ERR_TOO_MANY_REFUSALS)) return
    this.#warnedOfProxy = true
    this.#log.warn({ code: TRUST_PROXY }, 'A request with X-Forwarded-For has reached a limit for its address: if the header is that of your proxy, all clients share its address, so give Fastify trustProxy')
  }

  /** The authority vouches for these tokens. That they are refused is usually a mistake of the set-up. */
  #explain (problem: IntrospectProblem): void {
    const cure = CURES[problem]
    if (this.#warned || cure === undefined) return
    this.#warned = true
    this.#log.warn({ code: REFUSED }, `A token that the authority calls active is refused: ${problem}. ${cure}`)
  }
}

/** The code of the warning about tokens that are active and refused. Given at the first one. */
export const REFUSED = 'WSA_INTROSPECT_WARN_REFUSED'

/** The code of the warning that a limit for an address may count all clients as one. Given the first time. */
export const TRUST_PROXY = 'WSA_INTROSPECT_WARN_TRUST_PROXY'

const CURES: Partial<Record<IntrospectProblem, string>> = {
  'no subject': 'Name the member with the id of the user in subjectClaim',
  'wrong issuer': 'Compare issuer with what the authority answers',
  'wrong audience': 'Compare audience with what the authority answers'
}

const LOOKS_UP: Rule = {
  hook: 'lookup',
  expected: 'null or a user',
  cure: 'return { subject } with the id of the user, a string, or null; claims is an object, and expiresAt a number of milliseconds since the epoch'
}

function createAsk (settings: IntrospectSettings, authority: Authority | null, log: FastifyBaseLogger): Ask {
  if ('lookup' in settings) {
    const { lookup } = settings
    const misuse = new Misuse(log, 'WSA_INTROSPECT_WARN_ANSWER')
    return async (token, signal) => {
      const found = await lookup(token, { signal })
      if (!isIntrospected(found)) misuse.answer(LOOKS_UP, found)
      return judgeLookup(found)
    }
  }
  const judge = createJudge(settings)
  return async (token, signal) => judge(await (authority as Authority).ask(token, signal))
}
