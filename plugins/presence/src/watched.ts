import type { TopicFrame, TopicHost, TopicMember } from '@fastify-airlock/core'
import { reportTexts, type Report, userText } from './messages.js'
import type { PresenceChange, PresenceUser } from './types.js'

/** A client that watches a topic. */
export interface Watcher {
  readonly member: TopicMember
  /** Whether it may be told anything now. */
  readonly isAllowed: boolean
  /** It has missed something, and needs a whole list. */
  isBehind: boolean
  /** What it has not been sent yet of a list. */
  rest: TopicFrame[]
}

/** Settings of a {@link Watched}. */
export interface WatchedSettings {
  /** Users that clients are shown at most. */
  maxSubjects: number
  host: Pick<TopicHost, 'frame' | 'deliver' | 'maxFrameBytes'>
  find: (topic: string, subject: string) => PresenceUser | undefined
  /** Hands a change to a listener of the application. */
  call: (listener: (change: PresenceChange) => unknown, change: PresenceChange) => void
}

/** A topic that somebody on this node watches. */
export class Watched {
  readonly topic: string
  readonly watchers = new Set<Watcher>()
  readonly listeners = new Set<{ listener: (change: PresenceChange) => unknown }>()
  readonly #settings: WatchedSettings
  /** JSON of each user, as it was reported last. */
  readonly #known = new Map<string, string>()
  /** Those of them that clients are shown. */
  readonly #shown = new Set<string>()
  readonly #changed = new Set<string>()
  /** The whole list, for all who need it until something changes. */
  #list: TopicFrame[] | null = null

  /** @param subjects who is there */
  constructor (topic: string, subjects: Iterable<string>, settings: WatchedSettings) {
    this.topic = topic
    this.#settings = settings
    for (const subject of subjects) {
      if (this.#known.has(subject)) continue
      this.#known.set(subject, userText(settings.find(topic, subject) as PresenceUser))
      if (this.#shown.size < settings.maxSubjects) this.#shown.add(subject)
    }
  }

  /** Whether there is something that a client may have, and had no room for. */
  get isLate (): boolean {
    return [...this.watchers].some(({ isBehind, rest, isAllowed }) => isAllowed && (isBehind || rest.length > 0))
  }

  /** Whether nobody watches it. */
  get isEmpty (): boolean {
    return this.watchers.size === 0 && this.listeners.size === 0
  }

  /** Notes that a user may have to be reported. */
  mark (subject: string): void {
    this.#changed.add(subject)
  }

  /** Sends a client everything that was reported so far: as much as it has room for, and the rest at the next reports. */
  list (watcher: Watcher): void {
    this.#list ??= this.#frames('list', { here: [...this.#shown].map(subject => this.#known.get(subject) as string), gone: [], total: this.#known.size })
    watcher.isBehind = false
    watcher.rest = [...this.#list]
    this.#sendRest(watcher)
  }

  /**
   * Reports what has changed.
   *
   * @returns whether anything has
   */
  flush (): boolean {
    const before = this.#known.size
    const here: PresenceUser[] = []
    const gone: string[] = []
    const report = { here: [] as string[], gone: [] as string[], total: before }
    for (const subject of this.#changed) this.#compare(subject, here, gone, report)
    this.#changed.clear()
    this.#fill(report)
    report.total = this.#known.size
    if (report.total !== before || report.here.length > 0 || report.gone.length > 0) this.#list = null
    const isNews = here.length > 0 || gone.length > 0
    this.#tell(report, report.total !== before)
    if (!isNews) return false
    const change: PresenceChange = { topic: this.topic, here, gone, total: report.total }
    for (const registration of [...this.listeners]) {
      // One listener may have ended another.
      if (this.listeners.has(registration)) this.#settings.call(registration.listener, change)
    }
    return true
  }

  #compare (subject: string, here: PresenceUser[], gone: string[], report: { here: string[], gone: string[] }): void {
    const known = this.#known.get(subject)
    const user = this.#settings.find(this.topic, subject)
    if (user === undefined) {
      if (known === undefined) return
      this.#known.delete(subject)
      gone.push(subject)
      if (this.#shown.delete(subject)) report.gone.push(subject)
      return
    }
    const text = userText(user)
    if (known === text) return
    this.#known.set(subject, text)
    here.push(user)
    if (known === undefined && this.#shown.size < this.#settings.maxSubjects) this.#shown.add(subject)
    if (this.#shown.has(subject)) report.here.push(text)
  }

  /** Shows others in the place of those who have gone. */
  #fill ({ here }: { here: string[] }): void {
    const { maxSubjects } = this.#settings
    if (this.#shown.size >= Math.min(maxSubjects, this.#known.size)) return
    for (const [subject, text] of this.#known) {
      if (this.#shown.has(subject)) continue
      this.#shown.add(subject)
      here.push(text)
      if (this.#shown.size >= maxSubjects) return
    }
  }

  #tell (report: Report, hasTotal: boolean): void {
    const isNews = hasTotal || report.here.length > 0 || report.gone.length > 0
    const frames = isNews ? this.#frames('change', report) : []
    for (const watcher of this.watchers) {
      const isComplete = watcher.rest.length === 0 && !watcher.isBehind
      if (isComplete && watcher.isAllowed) {
        // What has no room is not sent later: the client gets a list then, which may be shorter.
        if (!frames.every(frame => this.#send(watcher, frame))) watcher.isBehind = true
        continue
      }
      watcher.isBehind ||= isNews
      if (!watcher.isAllowed) continue
      if (watcher.rest.length > 0) this.#sendRest(watcher)
      else this.list(watcher)
    }
  }

  #sendRest (watcher: Watcher): void {
    while (watcher.rest.length > 0 && this.#send(watcher, watcher.rest[0] as TopicFrame)) watcher.rest.shift()
  }

  #frames (type: 'list' | 'change', report: Report): TopicFrame[] {
    const { host } = this.#settings
    return reportTexts(type, this.topic, report, host.maxFrameBytes / 4).map(text => host.frame(text))
  }

  /**
   * The hub ends a connection that has no room for a frame. A client that is slow is no reason for that here: it can be told later.
   *
   * @returns whether the client has taken it
   */
  #send ({ member }: Watcher, frame: TopicFrame): boolean {
    const { host } = this.#settings
    const { bufferedAmount } = member.socket
    return (bufferedAmount === 0 || bufferedAmount + frame.bytes.length <= host.maxFrameBytes / 2) && host.deliver('', [member], frame) > 0
  }
}
