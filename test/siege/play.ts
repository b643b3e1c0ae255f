import { createHash } from 'node:crypto'
import { forge } from '../attacks/jwts.js'
import { converse, frame, type Seen } from './client.js'
import { loggedPart, mayUpgrade, provenBy, readFrames, subjectsIn } from './oracle.js'
import { type Attempt, change, changeHead, type FrameMove, type Framing, type Order, type Post, type Session, type TicketMove, type TokenMove } from './session.js'
import type { Stage } from './stage.js'

/** How far sessions got: a siege that never gets in proves nothing. */
export const reached: Record<string, number> = {}
const count = (what: string): void => { reached[what] = (reached[what] ?? 0) + 1 }

interface Ticket { value: string, subject: string, isRevoked: boolean }

/** An attempt as it was sent. */
interface Sent { attempt: Attempt, head: Buffer, frames: Buffer, tickets: Ticket[] }

let players = 0

/** Close codes that a client of any kind may cause. 1005 is none. */
const CODES = [0, 1000, 1001, 1002, 1003, 1005, 1007, 1009, 4400, 4401, 4403, 4410, 4413, 4429]

/** One session on a stage, and what an oracle says of it that knows nothing of the server's code. */
export class Play {
  readonly #stage: Stage
  readonly #subject: string
  readonly #other: string
  readonly #sent: Sent[] = []
  readonly #posts: Buffer[] = []
  readonly #tickets = new Map<string, Ticket>()
  readonly #secrets: string[] = []
  readonly #seen: Seen[] = []
  #isLoggedOut = false

  constructor (stage: Stage) {
    this.#stage = stage
    this.#subject = `user-${++players}`
    this.#other = `other-${players}`
  }

  /** @returns what must not be, or `null` */
  async run ({ steps, together }: Session): Promise<string | null> {
    this.#stage.clear()
    const shared = await this.#ticket('good')
    const one = async (step: Session['steps'][number]): Promise<void> => {
      if (step.step === 'attempt') await this.#attempt(step, shared)
      else if (step.step === 'post') await this.#post(step)
      else await this.#order(step)
    }
    if (together) await Promise.all(steps.map(one))
    else for (const step of steps) await one(step)
    const left = await this.#stage.quiet(this.#isPipelined())
    if (left !== null) return `left when everybody had gone: ${left}`
    return this.#judge() ?? await this.#probe(shared)
  }

  /** Whether a request follows another. Node reads no more of an upgrade that does, not even its end: it is over at its deadline. */
  #isPipelined (): boolean {
    return [...this.#sent.map(({ head }) => head), ...this.#posts].some(bytes => bytes.toString('latin1').split(/\r?\n\r?\n/).filter(part => part.trim() !== '').length > 1)
  }

  /** What the server must not have done. */
  #judge (): string | null {
    const { taken, handled, log, secret } = this.#stage
    const sent = this.#sent
    if (new Set(taken).size < taken.length) return 'a ticket was redeemed twice'
    for (const hash of taken) {
      const ticket = this.#tickets.get(hash)
      if (ticket === undefined) return 'an unknown ticket was redeemed'
      count('redeemed')
      if (!sent.some(({ head }) => mayUpgrade(head) && head.includes(ticket.value))) return `a ticket was spent by no valid upgrade: ${sent.map(({ head }) => JSON.stringify(head.toString('latin1'))).join(' ')}`
    }
    for (const { path, subject } of handled) {
      count(`in by ${path}`)
      if (!sent.some(one => this.#mayBeIn(one, path, subject, taken, secret))) return `a handler of ${path} ran for ${subject}`
    }
    for (const [index, { status, messages, code, body }] of this.#seen.entries()) {
      count(status === 101 ? '101' : `${Math.floor(status / 100)}xx`)
      if (status >= 500) return `status ${status}: ${body.slice(0, 300)}`
      if (!CODES.includes(code)) return `close code ${code}`
      if (code >= 4000) count(String(code))
      const { attempt } = sent[index] as Sent
      const isTwo = attempt.route === '/both' || attempt.route === '/frame'
      for (const [at, text] of messages.entries()) {
        const type = typeOf(text)
        if (isTwo && at === 0 && type !== 'auth_ok' && type !== 'auth_error') return `${attempt.route} began with ${text.slice(0, 100)}`
        if (type === 'app' && !handled.some(({ path }) => path === attempt.route)) return `a message for the application came to ${attempt.route} without a handler`
        if (type === 'auth_ok') {
          count('auth_ok')
          if (!handled.some(({ path }) => path === attempt.route)) return 'auth_ok without a handler'
        }
        if (type === 'refresh_ok') count('refresh_ok')
      }
    }
    return this.#judgeLog(log)
  }

  #mayBeIn ({ head, frames, tickets }: Sent, path: string, subject: string, taken: readonly string[], secret: string): boolean {
    const { first } = readFrames(frames)
    // Without a guard it is up to Node and ws what an upgrade is.
    if (path === '/frame') return head.includes(path) && provenBy(first, secret) === subject
    // The path may have been changed on the way, but a head that is no upgrade opens nothing.
    if (!head.includes(path) || !mayUpgrade(head)) return false
    const hasTicket = [...tickets, ...this.#tickets.values()].some(({ value, subject: owner, isRevoked }) => owner === subject && !isRevoked && taken.includes(hashOf(value)) && head.includes(value))
    if (path === '/one') return hasTicket
    if (path === '/jwt') return subjectsIn(head.toString('latin1'), secret).includes(subject)
    return hasTicket && provenBy(first, secret) === subject
  }

  #judgeLog (log: readonly string[]): string | null {
    const exempt = [...this.#sent.map(({ head }) => head), ...this.#posts].map(head => loggedPart(loggedLines(head))).join('\n')
    for (const line of log) {
      if (/"level":[56]0/.test(line.slice(0, 20))) return `a line at level error: ${line.slice(0, 600)}`
      for (const piece of this.#secrets) if (line.includes(piece) && !exempt.includes(piece)) return `a secret is in the log: ${line.slice(0, 600)}`
    }
    return null
  }

  /** A client that behaves gets in, with the ticket that nothing of all that has spent. */
  async #probe (ticket: Ticket): Promise<string | null> {
    const wasTaken = this.#stage.taken.includes(hashOf(ticket.value))
    const isGood = !wasTaken && !ticket.isRevoked && !this.#isLoggedOut
    this.#stage.clear()
    const head = Buffer.from(changeHead(this.#head('/both', [`Sec-WebSocket-Protocol: airlock.v1, ticket.${ticket.value}`]), []), 'latin1')
    const auth = frame(0x81, Buffer.from(JSON.stringify({ type: 'auth', token: this.#token('good') })))
    const { status, messages, code } = await converse(this.#stage.port, head, [auth], { early: false, split: null, ending: 'close' }, () => this.#stage.tempt())
    if (status !== (isGood ? 101 : 401)) return `a ticket that was ${wasTaken ? 'spent' : isGood ? 'not spent' : 'revoked'} was answered ${status} afterwards`
    if (isGood && typeOf(messages[0] ?? '') !== 'auth_ok') return `a client that behaves gets ${messages[0]}, close code ${code}`
    const left = await this.#stage.quiet()
    return left === null ? null : `left after a good client: ${left}`
  }

  async #attempt (attempt: Attempt, shared: Ticket): Promise<void> {
    const tickets = attempt.ticket === 'none' ? [] : [attempt.ticket === 'good' ? shared : await this.#ticket(attempt.ticket)]
    const values = tickets.map(({ value }) => Array.isArray(attempt.ticket) ? change(Buffer.from(value), attempt.ticket).toString('latin1') : value)
    if (attempt.ticket === 'twice') values.push(...values)
    const target = attempt.carrier === 'query' && attempt.route !== '/jwt' ? `${attempt.route}?${values.map(value => `ticket=${value}`).join('&')}` : attempt.route
    const lines = attempt.route === '/jwt'
      ? [attempt.carrier === 'subprotocol' ? `Sec-WebSocket-Protocol: airlock.v1, bearer.${this.#token(attempt.token)}` : `Authorization: Bearer ${this.#token(attempt.token)}`]
      : attempt.carrier === 'cookie' ? [`Cookie: ${values.map(value => `ticket=${value}`).join('; ')}`, `Origin: http://127.0.0.1:${this.#stage.port}`] : attempt.carrier === 'subprotocol' ? [`Sec-WebSocket-Protocol: ${['airlock.v1', ...values.map(value => `ticket.${value}`)].join(', ')}`] : []
    const head = change(Buffer.from(changeHead(this.#head(target, lines), attempt.head), 'latin1'), attempt.bytes)
    const frames = attempt.frames.map(move => this.#frame(move))
    // Noted before it is sent: several may be under way.
    const index = this.#sent.push({ attempt, head, frames: Buffer.concat(frames), tickets }) - 1
    this.#seen[index] = { status: 0, messages: [], code: 0, body: '' }
    this.#seen[index] = await converse(this.#stage.port, head, frames, attempt, () => this.#stage.tempt())
  }

  async #post ({ token, body, type, head, bytes }: Post): Promise<void> {
    const lines = [`Authorization: Bearer ${this.#token(token)}`, `Content-Length: ${Buffer.byteLength(body)}`, ...type === '' ? [] : [`Content-Type: ${type}`], 'Connection: close']
    const sent = change(Buffer.from(changeHead(['POST /ws/ticket HTTP/1.1', `Host: 127.0.0.1:${this.#stage.port}`, ...lines], head) + body, 'latin1'), bytes)
    this.#posts.push(sent)
    const { status, body: answer } = await converse(this.#stage.port, sent, [], { early: false, split: null, ending: 'fin' }, () => {})
    count(`ticket request ${Math.floor(status / 100)}xx`)
    if (status >= 500) throw new Error(`status ${status} of a ticket request: ${answer.slice(0, 300)}`)
    // `@fastify/jwt` requires no `exp`; the second door does.
    if (status === 101 || (status === 201 && subjectsIn(sent.toString('latin1'), this.#stage.secret, false).length === 0)) throw new Error(`a ticket request without a good token got ${status}`)
  }

  async #order ({ how }: Order): Promise<void> {
    const { wsHub, wsGuard, wsHandshake } = this.#stage.app
    if (how === 'revoke') return await this.#revoke()
    this.#isLoggedOut = true
    if (how === 'disconnect') {
      wsHub.disconnect(this.#subject)
      for (const ticket of this.#unused()) ticket.isRevoked = true
    } else {
      wsGuard.refuse({ subject: this.#subject })
      wsHandshake.refuse({ subject: this.#subject })
    }
  }

  async #ticket (move: TicketMove): Promise<Ticket> {
    const { app } = this.#stage
    const subject = move === 'of another' ? this.#other : this.#subject
    const { ticket: value } = await app.wsTickets.issue(subject, move === 'other audience' ? { audience: 'other' } : move === 'expired' ? { ttl: 1 } : {})
    if (move === 'expired') this.#stage.ahead += 2
    const ticket = { value, subject, isRevoked: false }
    this.#secret(value)
    if (move === 'spent') await app.wsTickets.redeem(value, {})
    if (move === 'spent') this.#stage.taken = this.#stage.taken.filter(hash => hash !== hashOf(value))
    if (!['spent', 'revoked', 'expired', 'other audience'].includes(move as string)) this.#tickets.set(hashOf(value), ticket)
    if (move === 'revoked') await this.#revoke()
    return ticket
  }

  /** Tickets that are issued after this call stay good, and so does what is redeemed before it has an effect. */
  async #revoke (): Promise<void> {
    const before = this.#unused()
    this.#isLoggedOut = true
    await this.#stage.app.wsTickets.revoke(this.#subject)
    const after = this.#unused()
    for (const ticket of before) if (after.includes(ticket)) ticket.isRevoked = true
  }

  #unused (): Ticket[] {
    return [...this.#tickets].filter(([hash, { subject }]) => subject === this.#subject && !this.#stage.taken.includes(hash)).map(([, ticket]) => ticket)
  }

  #token (move: TokenMove): string {
    const { secret } = this.#stage
    const now = Math.floor(Date.now() / 1_000)
    const header = { alg: 'HS256', typ: 'JWT' }
    const claims = { sub: this.#subject, iat: now, exp: now + 600, jti: String(Math.random()) }
    const make = (claims: object, key = secret): string => forge(header, claims, 'HS256', key)
    const good = make(claims)
    this.#secret(good.slice(good.lastIndexOf('.') + 1))
    if (Array.isArray(move)) return change(Buffer.from(good), move).toString('latin1')
    switch (move) {
      case 'good': return good
      case 'of another': return make({ ...claims, sub: this.#other })
      case 'expired': return make({ ...claims, exp: now - 1 })
      case 'no algorithm': return forge({ alg: 'none' }, claims, 'HS256', secret).replace(/[^.]*$/, '')
      case 'other key': return make(claims, 'x')
      case 'no exp': return make({ ...claims, exp: undefined })
      case 'no sub': return make({ ...claims, sub: undefined })
    }
  }

  /** Pieces of a secret: one that was changed is none any more, but for the pieces that were not. */
  #secret (value: string): void {
    for (let at = 0; at + 14 <= value.length; at += 14) this.#secrets.push(value.slice(at, at + 14))
  }

  #frame (move: FrameMove & Framing): Buffer {
    return change(this.#frames(move), move.changes)
  }

  #frames (move: FrameMove & Framing): Buffer {
    if (move.send === 'frame') return frame(move.first, Buffer.alloc(move.size, 0x7b), move.masked, move.length)
    const text = move.send === 'text' ? Buffer.from(move.text) : change(Buffer.from(JSON.stringify({ type: move.send, token: this.#token(move.token) })), move.json)
    const size = Math.ceil(text.length / move.parts)
    return Buffer.concat(Array.from({ length: move.parts }, (_, part) =>
      frame((part === move.parts - 1 ? 0x80 : 0) | (part === 0 ? 1 : 0), text.subarray(part * size, (part + 1) * size))))
  }

  #head (target: string, lines: readonly string[]): string[] {
    return [`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${this.#stage.port}`, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', ...lines]
  }
}

function hashOf (ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}

function typeOf (text: string): string {
  try {
    return String(JSON.parse(text).type)
  } catch {
    return text
  }
}

/** The lines of a head that a log shows: of the request, and what names hosts. */
function loggedLines (head: Buffer): string {
  const [first = '', ...lines] = head.toString('latin1').replace(/^[\r\n]+/, '').split(/\r?\n|\r/)
  return [first, ...lines.filter(line => /^(?:host|origin)\b/i.test(line))].join('\n')
}
