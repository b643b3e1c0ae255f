import { GrantCheck, type GrantCheckSettings, type MayRead, type TopicHost, type TopicMember } from '@fastify-airlock/core'
import type { PresenceIdentity } from './identity.js'
import type { PresenceSettings } from './options.js'

/** Settings of a {@link PresenceCheck}. */
export interface PresenceCheckSettings extends Pick<PresenceSettings, 'authorizePresence'>, Omit<GrantCheckSettings, 'hook' | 'failure'> {
  host: Pick<TopicHost, 'mayRead'>
}

/** Finds out whether a client may see who is there. */
export class PresenceCheck {
  readonly #settings: PresenceCheckSettings
  readonly #check: GrantCheck

  constructor (settings: PresenceCheckSettings) {
    this.#settings = settings
    this.#check = new GrantCheck({ ...settings, hook: 'authorizePresence', failure: 'it could not be found out whether a client may see who is there' })
  }

  /** Answers at once if the application does; never throws or rejects. */
  ask (member: TopicMember, topic: string): MayRead | Promise<MayRead> {
    const { authorizePresence, host } = this.#settings
    if (authorizePresence === undefined) return topic === '' ? 'denied' : host.mayRead(member, topic)
    return this.#check.ask(() => authorizePresence(member.identity as PresenceIdentity, topic))
  }

  /** Acts on every answer that is late. The timer does so as well. */
  tick (): void {
    this.#check.tick()
  }

  close (): void {
    this.#check.close()
  }
}
