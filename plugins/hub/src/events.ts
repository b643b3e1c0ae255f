import { ofServer, type ServerEvent } from '@fastify-airlock/core'
import diagnostics from 'node:diagnostics_channel'
import type { WebSocket } from 'ws'
import type { HubStats } from './status.js'

/** What every message of a hub has. Several hubs may run in one process. */
export interface HubEvent extends ServerEvent {
  /** The hub: `fastify.wsHub`. It is not enumerable, so that a message can be logged and compared as it is. */
  readonly hub: object
}

/** Whom the messages of a hub are about. */
export type HubOwner = Required<HubEvent>

/** An event of one connection. */
export interface HubConnectionEvent extends HubEvent {
  socket: WebSocket
  subject: string
}

/**
 * Why the hub has had a connection leave a topic: `authorizeTopic` denied it when it was asked again, failed, or had no
 * answer in time; or `evict` was called.
 */
export type TopicLeftReason = 'denied' | 'failed' | 'late' | 'evicted'

/** The messages of the `node:diagnostics_channel` channels named `airlock:hub:<event>`. */
export interface HubEvents {
  /** A connection was added. */
  add: HubConnectionEvent
  /** A connection has closed. */
  remove: HubConnectionEvent
  /** A connection was refused. */
  refuse: HubConnectionEvent & { reason: keyof HubStats['refusals'] }
  /** The hub closes a connection or terminates it. */
  close: HubConnectionEvent & { reason: keyof HubStats['closes'] }
  /** A connection has joined a topic. */
  join: HubConnectionEvent & { topic: string, wildcard: boolean }
  /** A connection has left a topic, or has closed. There is a `reason` where the hub has had it leave. */
  leave: HubConnectionEvent & { topic: string, wildcard: boolean, reason?: TopicLeftReason }
  /** The connections of this node took a message; `topic` is `null` for a broadcast. */
  deliver: HubEvent & { topic: string | null, bytes: number, connections: number }
  /** A connection did not get a message. */
  drop: HubConnectionEvent & { reason: keyof HubStats['drops'], bytes: number }
  /** The bus is up or down. */
  bus: HubEvent & { state: 'up' | 'down' }
}

interface Channel<Event> {
  readonly hasSubscribers: boolean
  publish (event: Event): void
}

function open<Name extends keyof HubEvents> (name: Name): Channel<HubEvents[Name]> {
  return diagnostics.channel(`airlock:hub:${name}`) as Channel<HubEvents[Name]>
}

/** Says which hub a message is about. */
export function ofHub<Event extends object> (event: Event, { hub, server }: HubOwner): Event & HubEvent {
  return ofServer(Object.defineProperty(event, 'hub', { value: hub }) as Event & Pick<HubEvent, 'hub'>, server)
}

/** The hub announces here what happens. Check `hasSubscribers` first: without subscribers, make no message. */
export const channels = {
  add: open('add'),
  remove: open('remove'),
  refuse: open('refuse'),
  close: open('close'),
  join: open('join'),
  leave: open('leave'),
  deliver: open('deliver'),
  drop: open('drop'),
  bus: open('bus')
} as const
