import { backoff } from '../backoff.js'
import { createTimer } from '../clock.js'
import { createEmitter } from '../emitter.js'
import { fault, type ErrorDetails, type Reason } from '../errors.js'
import type { ConnectSettings } from '../options.js'
import type { Presence, PresenceUser, PresenceView } from './types.js'

/** Steps of a {@link Channel}. `LATER`: the server has put it off. */
export const OVER = -1
const LATER = 0
export const WANTED = 1
const ASKED = 2

/** What a server sends about presence. Which members there are depends on `type`. */
export interface PresenceFrame {
  type: string
  topic: string
  total?: number
  here?: PresenceUser[]
  gone?: string[]
  more?: boolean
  reason?: string
  code?: string
  /** Whether it is about a state. */
  state?: boolean
  retryAfter?: number
}

/** The watch of one topic on the wire, which all that look at it share. */
export interface Channel {
  readonly topic: string
  readonly listeners: Set<unknown>
  step: number
  /** The own state; `undefined` as long as none was set. */
  state: unknown
  /** Whether the server has to be told of the state. */
  isNews: boolean
  take (frame: PresenceFrame): void
  /** The socket is gone. */
  reset (): void
  /** It is over. @returns whether the server has been asked for it */
  end (code?: Reason, details?: ErrorDetails): boolean
  join (listener: (view: PresenceView<any>) => void): Presence<any>
}

/** @param ready something may have to be sent */
export function createChannel (topic: string, settings: Pick<ConnectSettings, 'min' | 'max' | 'random'>, ready: () => void): Channel {
  const { on, emit } = createEmitter<{ view: PresenceView }>()
  const [retry, retryState] = [createTimer(), createTimer()]
  const users = new Map<string, PresenceUser>()
  let view: PresenceView = { status: 'waiting', users: [], total: 0, error: null }
  let failures = 0
  /** Whether the server has answered with a list. Until then, what it says may be about a watch that was left before. */
  let listed = false

  function show (change: Partial<PresenceView>): void {
    emit('view', view = { ...view, ...change })
  }

  const channel: Channel = {
    topic,
    listeners: new Set(),
    step: WANTED,
    state: undefined,
    isNews: false,
    take ({ type, total, here = [], gone = [], more, reason, code, state, retryAfter = 0 }) {
      if (type === 'presence:refused') {
        const isLater = /^(unavailable|rate)$/.test(code!)
        if (state) {
          retryState(isLater ? retryAfter : undefined, () => {
            channel.isNews = true
            ready()
          })
        } else if (isLater) {
          channel.step = LATER
          retry(Math.max(backoff(failures++, settings), retryAfter), () => {
            channel.step = WANTED
            ready()
          })
        } else {
          channel.end('TOPIC_REFUSED', { reason: code })
        }
      } else if ((listed ||= type === 'presence:list') && type === 'presence:left') {
        channel.end('TOPIC_LEFT', { reason })
      } else if (listed) {
        failures = 0
        if (type === 'presence:list') users.clear()
        for (const user of here) users.set(user.subject, user)
        for (const subject of gone) users.delete(subject)
        if (!more) show({ status: 'live', users: [...users.values()], total: total! })
      }
    },
    reset () {
      channel.step = WANTED
      channel.isNews = channel.state != null
      listed = false
      retry()
      retryState()
      if (view.status === 'live') show({ status: 'waiting' })
    },
    end (code, details) {
      const { step } = channel
      if (step !== OVER) {
        channel.step = OVER
        retry()
        retryState()
        channel.listeners.clear()
        show({ status: 'closed', error: code ? fault(code, topic, { topic, ...details }) : null })
        ready()
      }
      return step === ASKED
    },
    join (listener) {
      const key = {}
      // The state of those who have left, which the server may still have.
      if (!channel.listeners.size && channel.state != null) {
        channel.state = null
        channel.isNews = true
      }
      const stop = on('view', listener)
      channel.listeners.add(key)
      queueMicrotask(() => { if (channel.listeners.has(key) && view.status === 'live') listener(view) })
      return {
        topic,
        get view () { return view },
        set (state) {
          if (!channel.listeners.has(key)) return
          channel.state = state
          channel.isNews = true
          ready()
        },
        leave () {
          stop()
          channel.listeners.delete(key)
          ready()
        }
      }
    }
  }
  return channel
}
