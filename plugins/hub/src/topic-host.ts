import type { MayRead, MemberWatcher, TopicFrame, TopicGuest, TopicHost, TopicMember, TopicPlace, TopicRefused } from '@fastify-airlock/core'
import type { WebSocket } from 'ws'
import type { Admission } from './admission.js'
import type { BusClient } from './bus-client.js'
import type { Connection } from './connection.js'
import { WSA_HUB_ERR_DATA_SIZE } from './errors.js'
import type { FanOut } from './fan-out.js'
import { createFrame, type Frame } from './frame.js'
import type { Memberships } from './memberships.js'
import type { Registry } from './registry.js'
import type { Rights } from './rights.js'
import type { TopicCheck } from './topic-check.js'

/** The parts of a hub that it needs. */
export interface TopicHostSettings {
  maxBufferedBytes: number
  maxTopics: number
  registry: Registry
  memberships: Memberships
  rights: Rights
  check: TopicCheck
  admission: Admission
  fanOut: FanOut
  bus: BusClient | null
  ready: () => Promise<boolean>
  attach: (guest: TopicGuest) => boolean
  watch: (watcher: MemberWatcher) => boolean
  topicLease?: number | undefined
}

/** What the hub does for a plugin for topics. Members are its own connections, and frames its own. */
export class HubTopicHost implements TopicHost {
  readonly hasBus: boolean
  readonly maxTopics: number
  readonly maxFrameBytes: number
  readonly topicLease: number
  readonly #settings: TopicHostSettings

  constructor (settings: TopicHostSettings) {
    this.#settings = settings
    this.hasBus = settings.bus !== null
    this.maxTopics = settings.maxTopics
    this.maxFrameBytes = settings.maxBufferedBytes
    this.topicLease = settings.topicLease ?? Infinity
  }

  get busIsUp (): boolean {
    return this.#settings.bus === null || this.#settings.bus.state === 'up'
  }

  attach (guest: TopicGuest): boolean {
    return this.#settings.attach(guest)
  }

  watch (watcher: MemberWatcher): boolean {
    return this.#settings.watch(watcher)
  }

  mayRead (member: TopicMember, topic: string): MayRead | Promise<MayRead> {
    return this.#settings.rights.mayRead(member as Connection, topic)
  }

  grantBy (granted: (identity: TopicMember['identity'], topic: string) => boolean): void {
    this.#settings.check.granted = granted
  }

  member (socket: WebSocket): TopicMember | undefined {
    return this.#settings.registry.get(socket)
  }

  async request (member: TopicMember, topic: string): Promise<'joined' | TopicRefused> {
    // Its name is valid.
    return await this.#settings.rights.requestJoin(member as Connection, topic, false) as 'joined' | TopicRefused
  }

  relinquish (member: TopicMember, topic: string): void {
    this.#settings.rights.relinquish(member as Connection, topic)
  }

  meter (socket: WebSocket): void {
    this.#settings.admission.meter(socket)
  }

  close (socket: WebSocket, code: number, reason: string): void {
    this.#settings.admission.close(socket, code, reason)
  }

  frame (text: string): TopicFrame {
    return createFrame(text)
  }

  checkSize ({ bytes }: TopicFrame, spare: number): void {
    if (bytes.length + spare > this.maxFrameBytes) throw new WSA_HUB_ERR_DATA_SIZE(bytes.length, this.maxFrameBytes - spare)
  }

  deliver (topic: string, members: Iterable<TopicMember>, frame: TopicFrame): number {
    const { memberships, rights, fanOut } = this.#settings
    const connections = members as Iterable<Connection>
    const to = memberships.doubts === 0 ? connections : rights.holdFor(topic, connections, frame as Frame)
    return fanOut.distribute(to, frame as Frame, undefined, true)
  }

  listen (topic: string): void {
    this.#settings.bus?.listen(topic)
  }

  unlisten (topic: string): void {
    this.#settings.bus?.unlisten(topic)
  }

  async ready (): Promise<boolean> {
    return await this.#settings.ready()
  }

  send (topic: string, frame: TopicFrame, place: TopicPlace | null): void {
    this.#settings.bus?.send(topic, frame as Frame, place)
  }
}
