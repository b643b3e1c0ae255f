import diagnostics from 'node:diagnostics_channel'
import type { ServerEvent } from './event-server.js'

/** The name of the `node:diagnostics_channel` of the audit trail. */
export const AUDIT_CHANNEL = 'airlock:audit'

/** What each event of the audit trail says. What is not known, or does not apply, is `null`. */
export interface AuditRecord extends ServerEvent {
  /** When it was decided, in milliseconds since the epoch. */
  time: number
  /**
   * The connection's id, 16 characters of base64url. It is given together with a ticket, is the same on the node that issues and on the
   * node that redeems the ticket, and stays with the WebSocket until it closes. A connection that comes without a ticket, or
   * with one that lets several in, gets its id at its upgrade. It is no secret: neither the ticket nor its hash follows from it.
   */
  id: string
  /** The user's id. */
  subject: string | null
  /** The session, as `sessionClaim` names it. */
  session: string | null
  /** The client's address, as `request.ip` has it, in its plain form; `null` if a proxy has passed on something else. */
  address: string | null
  /** The pattern of the route, such as `/rooms/:id`: never the URL. */
  route: string | null
  /** An error code, an HTTP status or a close code: see each event. */
  code: string | number | null
  /** Why, in a few words that are ours: nothing that a client has sent is among them. */
  reason: string | null
}

/** A decision that something may be. */
interface Accepted extends AuditRecord {
  code: null
  reason: null
}

/** A ticket was issued. */
export interface TicketIssuedEvent extends Accepted {
  type: 'ticket.issued'
  /** Where it is good. */
  audience: string
  /** When it expires, in milliseconds since the epoch. */
  expiresAt: number
}

/** A ticket was redeemed. At a guard, the upgrade that it came with is decided on next. */
export interface TicketRedeemedEvent extends Accepted {
  type: 'ticket.redeemed'
  /** The id that was given with the ticket: `id`, unless the ticket lets several connections in. */
  ticket: string
}

/**
 * No ticket was issued; or one was not redeemed for the code that called `redeem()`. A guard that refuses an upgrade for its ticket
 * says so with {@link UpgradeRefusedEvent} alone.
 */
export interface TicketRefusedEvent extends AuditRecord {
  type: 'ticket.refused'
  /** The code of the error, `WSA_TICKET_ERR_…` or that of another plugin; `null` if a ticket was not redeemed. */
  code: string | null
  /** The HTTP status of the answer; `null` outside of the ticket route. */
  status: number | null
  /** The id that was given with the presented ticket, whether there is such a ticket or not. */
  ticket: string | null
}

/** An upgrade has got its 101. */
export interface UpgradeAdmittedEvent extends Accepted {
  type: 'upgrade.admitted'
}

/** An upgrade got no 101, for whatever reason. */
export interface UpgradeRefusedEvent extends AuditRecord {
  type: 'upgrade.refused'
  /** The code of the refusal, `WSA_GUARD_ERR_…`, or that of an error; `null` if the client has left, or nobody gave a code. */
  code: string | null
  /** The HTTP status; `null` if nothing was answered. */
  status: number | null
  /** The id that was given with the presented ticket. It tells whose ticket is used again, or by somebody else. */
  ticket: string | null
}

/** A first frame has proved who the client is. */
export interface AuthAcceptedEvent extends Accepted {
  type: 'auth.accepted'
}

/** A first frame has not come, or has not proved who the client is; or a client has sent a second one. The connection is closed. */
export interface AuthRefusedEvent extends AuditRecord {
  type: 'auth.refused'
  /** The close code. */
  code: number
  reason: string
}

/** A client has a new token. */
export interface RefreshAcceptedEvent extends Accepted {
  type: 'refresh.accepted'
}

/** A client has got no new token. The connection is closed. */
export interface RefreshRefusedEvent extends AuditRecord {
  type: 'refresh.refused'
  /** The close code. */
  code: number
  reason: string
}

/** A connection has joined a topic or a pattern of topics. */
export interface TopicJoinedEvent extends Accepted {
  type: 'topic.joined'
  topic: string
  /** Whether the topic is a pattern. */
  wildcard: boolean
}

/** A client has asked for a topic and has not got it. */
export interface TopicRefusedEvent extends AuditRecord {
  type: 'topic.refused'
  code: null
  /**
   * `authorizeTopic` denied it, failed, or had no answer in time; the connection has as many topics as it may, or has closed
   * meanwhile; or what was asked for is no topic.
   */
  reason: 'denied' | 'failed' | 'late' | 'too many topics' | 'closed' | 'invalid'
  /** The topic; `null` if it is none. */
  topic: string | null
  /** Whether the topic is a pattern. */
  wildcard: boolean
}

/** A connection has had to leave a topic. */
export interface TopicEvictedEvent extends AuditRecord {
  type: 'topic.evicted'
  code: null
  /** `authorizeTopic` denied it when it was asked again, failed, or had no answer in time; or `evict` was called. */
  reason: 'denied' | 'failed' | 'late' | 'evicted'
  topic: string
  /** Whether the topic is a pattern. */
  wildcard: boolean
}

/** A WebSocket has closed. */
export interface CloseEvent extends AuditRecord {
  type: 'close'
  /** The close code: the one that this side has sent, if it has closed the connection, otherwise the one that came; 1006 for none. */
  code: number
  /**
   * Why this side has closed it: its reason, or what the code means if it gave none; `null` where that says nothing, and if the client
   * has closed it: what clients write there is left out.
   */
  reason: string | null
  /** Who has ended it: this side, the client with a close frame, or neither, because the connection broke. */
  by: 'server' | 'client' | 'network'
}

/** An event of the audit trail, the message of the `node:diagnostics_channel` named `airlock:audit`: one for each decision. */
export type AuditEvent =
  | TicketIssuedEvent | TicketRedeemedEvent | TicketRefusedEvent
  | UpgradeAdmittedEvent | UpgradeRefusedEvent
  | AuthAcceptedEvent | AuthRefusedEvent
  | RefreshAcceptedEvent | RefreshRefusedEvent
  | TopicJoinedEvent | TopicRefusedEvent | TopicEvictedEvent
  | CloseEvent

/** The channel of the audit trail. Check `hasSubscribers` before anything is made for it. */
export const auditChannel: { readonly hasSubscribers: boolean, publish (event: AuditEvent): void } = diagnostics.channel(AUDIT_CHANNEL)
