import type { DoctorOptions, RuleId } from '../src/index.js'
import type { Ajar, ServerOptions } from './server.js'
import { seconds, sign } from './tokens.js'

/** A server with one door ajar, and the rules that have to say so: the first one names it, the others follow from it. */
export interface Mutant {
  name: string
  ajar: Ajar
  rules: RuleId[]
  /** Only these are looked at: what fails is something that never comes, for which the doctor waits a moment. */
  alone?: boolean
  server?: Omit<ServerOptions, 'ajar'>
  options?: Partial<DoctorOptions>
}

/** Everybody's claims. */
export const claims = (sub: string, more: object = {}): Record<string, unknown> => ({ sub, scope: 'read', exp: seconds() + 3_600, ...more })

export const mutants: Mutant[] = [
  { name: 'lets in without a ticket', ajar: { noDoorOne: true }, rules: ['no-ticket'] },
  { name: 'takes what looks like a ticket', ajar: { anyTicket: true }, rules: ['invented-ticket'] },
  { name: 'takes two Host headers', ajar: { twoHosts: true }, rules: ['bad-upgrade'] },
  { name: 'spends tickets on a plain GET', ajar: { spendsOnGet: true }, rules: ['spends-nothing'] },
  { name: 'refuses with 404', ajar: { status: 404 }, rules: ['refusal-status'] },
  { name: 'refuses in plain text', ajar: { textRefusals: true }, rules: ['refusal-form'] },
  { name: 'repeats the URL in refusals', ajar: { repeats: true }, rules: ['refusal-leak'] },
  { name: 'keeps the connection of who was refused', ajar: { keepsRefused: true }, rules: ['refusal-ends'], alone: true },
  { name: 'takes a JWT in the URL', ajar: { jwtInUrl: true }, rules: ['jwt-in-url'] },
  { name: 'allows the origin null', ajar: { origins: origin => origin === 'null' }, rules: ['wrong-origin'] },
  { name: 'allows every https origin', ajar: { origins: origin => origin === 'https://airlock-doctor.invalid' }, rules: ['foreign-origin', 'spends-nothing'] },
  { name: 'looks for its name in the origin', ajar: { origins: (origin, own) => origin.includes(new URL(own).hostname) }, rules: ['lookalike-origin'] },
  { name: 'takes a cookie without an Origin', ajar: { missingOrigin: true }, rules: ['missing-origin'] },
  { name: 'speaks every subprotocol', ajar: { anySubprotocol: true }, rules: ['wrong-subprotocol', 'spends-nothing'] },
  { name: 'selects the first subprotocol', ajar: { echo: true }, rules: ['carrier-echo', 'wrong-subprotocol', 'spends-nothing'] },
  { name: 'takes a ticket again', ajar: { reuse: true }, rules: ['used-ticket', 'ticket-race'], options: { race: true } },
  { name: 'looks up, and then removes', ajar: { slowTake: true }, rules: ['ticket-race'], options: { race: true } },
  { name: 'does not look at the time of a ticket', ajar: { noExpiry: true }, rules: ['expired-ticket'], alone: true },
  { name: 'overlooks the second carrier', ajar: { overlooksQuery: true }, rules: ['two-credentials'] },
  { name: 'takes the first of two cookies', ajar: { firstCookie: true }, rules: ['several-credentials'] },
  { name: 'counts its tickets', ajar: { counts: true }, rules: ['ticket-form'] },
  { name: 'issues tickets for GET', ajar: { getTickets: true }, rules: ['ticket-method'] },
  { name: 'issues tickets to strangers', ajar: { strangers: true }, rules: ['ticket-login'] },
  { name: 'does not verify at the ticket route', ajar: { decodesAtRoute: true }, rules: ['ticket-login'] },
  { name: 'lets tickets be stored', ajar: { stored: true }, rules: ['ticket-no-store'] },
  { name: 'repeats the ticket in Location', ajar: { location: true }, rules: ['ticket-elsewhere'] },
  { name: 'allows every origin to read tickets', ajar: { cors: true }, rules: ['ticket-cors'] },
  { name: 'takes any body for a ticket', ajar: { anyBody: true }, rules: ['ticket-body'] },
  { name: 'does not say when to come back', ajar: { noRetryAfter: true }, rules: ['retry-after'], alone: true, server: { limit: 5 }, options: { exhaust: true } },
  { name: 'has no limit of tickets', ajar: { unlimited: true }, rules: ['retry-after'], alone: true, options: { exhaust: true } },
  { name: 'waits for the first frame for good', ajar: { noDeadline: true }, rules: ['silence'], alone: true },
  { name: 'greets strangers', ajar: { greets: true }, rules: ['quiet'], alone: true, server: { authTimeout: 50 }, options: { only: ['silence', 'quiet'], authTimeout: 60_000 } },
  { name: 'handles messages before the JWT', ajar: { processesFirst: true }, rules: ['early-frame', 'early-frames', 'first-frame-form'], options: { skip: ['close-cut'] } },
  { name: 'takes a JWT in a binary message', ajar: { binary: true }, rules: ['first-frame-form'] },
  { name: 'takes a large first frame', ajar: { anySize: true }, rules: ['oversized-frame'] },
  { name: 'waits for 64 MiB', ajar: { bigPayload: true }, rules: ['payload-limit', 'endless-frame'], alone: true },
  { name: 'waits for a first frame until its deadline', ajar: { bigPayload: true }, rules: ['endless-frame'], alone: true, server: { authTimeout: 50 }, options: { authTimeout: 60_000 } },
  { name: 'lets everybody try again', ajar: { attempts: true }, rules: ['one-attempt'], options: { only: ['one-attempt'] } },
  { name: 'handles messages while it verifies', ajar: { processesEarly: true }, rules: ['early-dropped', 'early-order'], options: { skip: ['one-attempt'] } },
  { name: 'loses messages while it verifies', ajar: { losesEarly: true }, rules: ['early-order'], alone: true },
  { name: 'does not know the alias', ajar: { noAlias: true }, rules: ['alias'] },
  { name: 'ignores a second JWT', ajar: { againIgnored: true }, rules: ['auth-twice'], alone: true },
  { name: 'lets everybody into the route of admins', ajar: { adminOpen: true }, rules: ['not-admin'] },
  { name: 'verifies no signature', ajar: { jwt: { decode: true } }, rules: ['forged-jwt', 'alg-none', 'unsigned-jwt', 'embedded-key', 'one-attempt', 'early-dropped', 'ticket-login'] },
  { name: 'takes alg none', ajar: { jwt: { none: ['none'] } }, rules: ['alg-none', 'ticket-login'] },
  { name: 'takes alg NONE', ajar: { jwt: { none: ['NONE'] } }, rules: ['unsigned-jwt'] },
  { name: 'uses the key in the JWT', ajar: { jwt: { jwk: true } }, rules: ['embedded-key'] },
  { name: 'takes the public key for a secret', ajar: { jwt: { confused: true } }, rules: ['key-confusion'], server: { secret: null } },
  { name: 'signs with "secret"', ajar: {}, rules: ['weak-secret'], server: { secret: 'secret' } },
  { name: 'takes an expired JWT', ajar: { jwt: { expired: true } }, rules: ['expired-jwt'] },
  { name: 'signs JWTs without exp', ajar: {}, rules: ['jwt-claims'], options: { token: sign({ sub: 'alice', scope: 'read' }) } },
  { name: 'takes the JWT of another user', ajar: { anySubject: true }, rules: ['other-jwt'] },
  { name: 'does not know refresh', ajar: { noRefresh: true }, rules: ['refresh'] },
  { name: 'changes the user by a refresh', ajar: { refreshSubject: true }, rules: ['refresh-subject'] },
  { name: 'does not verify a refresh', ajar: { refreshJwt: { decode: true } }, rules: ['refresh-forged'] },
  { name: 'gives more rights by a refresh', ajar: { refreshScope: true }, rules: ['refresh-scope'] },
  { name: 'answers refreshes without end', ajar: { refreshFlood: true }, rules: ['refresh-flood'] },
  { name: 'outlives the JWT', ajar: { noEnd: true }, rules: ['expiry'], alone: true, options: { grace: 0 } },
  { name: 'closes with 4444', ajar: { closeCode: 4444 }, rules: ['close-codes'] },
  { name: 'announces no close', ajar: { noAuthError: true }, rules: ['auth-error'] },
  { name: 'waits for the answer to its close', ajar: { neverCuts: true }, rules: ['close-cut'], alone: true },
  { name: 'compresses', ajar: { compression: true }, rules: ['compression'] },
  { name: 'ends without a word', ajar: { abrupt: true }, rules: ['drain'], alone: true, options: { drain: 60_000 } }
]
