import { askApplication } from '../application.js'
import { backoff } from '../backoff.js'
import { createTimer } from '../clock.js'
import { createEmitter } from '../emitter.js'
import type { AirlockError } from '../errors.js'
import { iterate } from '../iterate.js'
import type { Connection } from '../types.js'
import { isAfter } from './frames.js'
import { createRequest, ASKED, LIVE, topicFault, type Request, type RequestParts, type RequestHost } from './request.js'
import type { Position, SubscribedEvent, SubscribeOptions, Subscription, TopicMessage } from './types.js'

/** What a subscriber hears: `null` for an end that it wants. */
interface SubscriberEvents {
  onMessage: TopicMessage
  onSubscribed: SubscribedEvent
  onEnd: AirlockError | null
}

/** One subscriber of a channel. */
interface Subscriber {
  /** Whether it stands at a position, from which it may resume. */
  begun: boolean
  /** The subscription holds. */
  begin (position: Position | undefined, recovered: boolean | undefined): void
  push (message: TopicMessage): void
  /** @param error `null` when the application ended it */
  end (error: AirlockError | null): void
}

/** The subscription of one topic on the wire, which all of its subscribers share. */
export type Channel = Request & ChannelParts

interface ChannelParts extends RequestParts {
  readonly subscribers: Set<Subscriber>
  /** Returns its part of the frame that asks the server for it. */
  ask (): object
  subscribe (options: SubscribeOptions<any>): Subscription<any>
}

/** Creates a subscription without subscribers. */
export function createChannel (topic: string, host: RequestHost): Channel {
  const subscribers = new Set<Subscriber>()
  let position: Position | undefined
  /** Whether the rest of what was missed is on its way. */
  let catchingUp: boolean | undefined

  const channel: Channel = createRequest<ChannelParts>(host, {
    subscribers,
    ask () {
      channel.state = ASKED
      return { topic, since: position }
    },
    subscribe,
    heard (frame) {
      const { type } = frame
      catchingUp = frame.more
      if (type === 'topic:subscribed') {
        channel.state = LIVE
        tell(frame.position, !!frame.recovered)
        deliver(frame.messages)
        position = frame.position
      } else if (channel.state === LIVE) {
        if (type === 'topic:gap') {
          tell(position = frame.position, false)
        } else if (type === 'topic:left') {
          channel.end('TOPIC_LEFT', { reason: frame.reason })
        } else {
          deliver(frame.messages ?? [frame as TopicMessage])
        }
      }
      tell(position)
    },
    end (code, details) {
      channel.reset()
      // A copy: one that is told may subscribe again.
      for (const subscriber of [...subscribers]) subscriber.end(code === 'CLOSED' && !details!.cause ? null : topicFault(code, topic, details))
    }
  })

  /**
   * @param recovered for those who have begun. Without it, those begin who have joined, once the others have caught up: what
   *   was missed before is not for them
   */
  function tell (position: Position | undefined, recovered?: boolean): void {
    for (const subscriber of subscribers) {
      if (recovered === undefined ? !subscriber.begun && channel.state === LIVE && !catchingUp : subscriber.begun) subscriber.begin(position, recovered)
    }
  }

  function deliver (messages: TopicMessage[] = []): void {
    for (const { data, position: next } of messages) {
      if (!isAfter(next, position)) continue
      position = next ?? position
      for (const subscriber of subscribers) if (subscriber.begun) subscriber.push({ data, position: next })
    }
  }

  function subscribe (options: SubscribeOptions<any>): Subscription<any> {
    const { on, emit, clear } = createEmitter<SubscriberEvents>()
    const retry = createTimer()
    let error: AirlockError | null = null
    /** The messages that wait for a snapshot, and what tells its loader that nobody wants it any more. */
    let held: TopicMessage[] | undefined
    let loading: AbortController | undefined
    /** How far the last snapshot goes: what it contains may come later. */
    let snapshotAt: Position | undefined

    for (const name of ['onMessage', 'onSubscribed', 'onEnd'] as const) {
      // Read at each call: it may be replaced.
      on(name, event => { if (event) options[name]?.(event as any) })
    }

    const subscriber: Subscriber = {
      begun: false,
      begin (position, recovered = options.since && false) {
        subscriber.begun = true
        emit('onSubscribed', { position, recovered })
        if (recovered || !subscribers.has(subscriber)) return
        if (options.load) load()
        else if (recovered === false) host.report(topicFault('TOPIC_GAP', topic))
      },
      push (message) {
        if (!held) {
          if (isAfter(message.position, snapshotAt)) emit('onMessage', message)
        } else if (held.push(message) > host.iteratorLimit) {
          subscriber.end(topicFault('OVERFLOW', topic))
        }
      },
      end (failure) {
        if (!subscribers.delete(subscriber)) return
        error = failure
        loading?.abort()
        retry()
        emit('onEnd', failure)
        if (failure) host.report(failure)
        clear()
        host.ready()
      }
    }

    function load (attempt = 0): void {
      loading?.abort()
      const { signal } = loading = new AbortController()
      // What was held before is in the snapshot.
      if (!attempt) held = []
      askApplication<any, any>(context => options.load?.(context), { topic, attempt, signal }).then(snapshot => {
        if (signal.aborted) return
        const messages = held!
        held = undefined
        snapshotAt = snapshot?.position
        for (const message of messages) subscriber.push(message)
      }, (failure: AirlockError) => {
        if (signal.aborted) return
        if (failure.retry === 'never') return subscriber.end(failure)
        host.report(failure)
        retry(Math.max(backoff(attempt, host), failure.wait), () => { load(attempt + 1) })
      })
    }

    if (!subscribers.size && channel.state < ASKED) {
      position = options.since
      subscriber.begun = !!position
    }
    subscribers.add(subscriber)
    queueMicrotask(() => { tell(position) })
    host.ready()

    const subscription = {
      topic,
      get status () { return !subscribers.has(subscriber) ? 'closed' as const : channel.state === LIVE ? 'subscribed' : 'subscribing' },
      get position () { return position },
      get error () { return error },
      unsubscribe () { subscriber.end(null) },
      [Symbol.asyncIterator]: () => iterate(subscription as Pick<Connection<any>, 'on' | 'status' | 'error'>, host.iteratorLimit),
      /** For the iteration, which takes this listener of `status` away last, when it is over for whatever reason. */
      on (name: 'message' | 'status', listener: (event: any) => void) {
        const stop = on(name === 'status' ? 'onEnd' : 'onMessage', listener)
        return () => {
          stop()
          if (name === 'status') subscriber.end(null)
        }
      }
    }
    return subscription
  }

  return channel
}
