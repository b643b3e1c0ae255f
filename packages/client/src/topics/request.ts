import { backoff } from '../backoff.js'
import { createTimer } from '../clock.js'
import { fault, type AirlockError, type ErrorDetails, type Reason } from '../errors.js'
import type { ConnectSettings } from '../options.js'
import type { TopicFrame } from './frames.js'

/** States of a {@link Request}. `LATER`: the server has put it off. */
export const WANTED = 0
export const LATER = 1
export const ASKED = 2
export const LIVE = 3

/** Codes of `topic:refused` that say "later". */
const PUT_OFF = /^(unavailable|rate)$/

/** What all requests of a connection share. */
export interface RequestHost extends Pick<ConnectSettings, 'iteratorLimit' | 'bytes' | 'min' | 'max' | 'random'> {
  /** Something may have to be sent. */
  ready (): void
  /** Tells the application of an error that does not end the connection. */
  report (error: AirlockError): void
}

/** What is of the kind of a request. */
export interface RequestParts {
  /** Takes what the server says of it, refusals aside. */
  heard (frame: TopicFrame): void
  /** It is over. */
  end (code: Reason, details?: ErrorDetails): void
}

/** Something that the server is asked for, on each new socket again, until it has answered for good. */
export interface Request extends RequestParts {
  state: number
  /** A socket was lost while the server was asked: whatever it says later, it may have done it then. */
  unsure: boolean
  /** Wants it again: the socket is gone. */
  reset (): void
  /** Takes what the server says of it. */
  take (frame: TopicFrame): void
}

/** Creates a request that is wanted. */
export function createRequest<Parts extends RequestParts> (host: RequestHost, parts: Parts): Parts & Request {
  const retry = createTimer()
  let failures = 0
  const request = Object.assign(parts, {
    state: WANTED,
    unsure: false,
    reset () {
      request.unsure ||= request.state === ASKED
      request.state = WANTED
      retry()
    },
    take (frame: TopicFrame) {
      const { type, code, retryAfter = 0 } = frame
      if (type !== 'topic:refused') {
        failures = 0
        request.heard(frame)
      } else if (PUT_OFF.test(code!)) {
        request.state = LATER
        retry(Math.max(backoff(failures++, host), retryAfter), () => {
          request.reset()
          host.ready()
        })
      } else {
        request.end('TOPIC_REFUSED', { reason: code })
      }
      host.ready()
    }
  })
  return request
}

/** Creates an error about a topic. */
export function topicFault (code: Reason, topic: string, details?: ErrorDetails): AirlockError {
  return fault(code, topic, { topic, ...details })
}
