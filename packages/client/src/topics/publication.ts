import { createTimer } from '../clock.js'
import { sizeOf } from '../codec.js'
import { ASKED, createRequest, topicFault, type Request, type RequestParts, type RequestHost } from './request.js'
import type { TopicsConnection } from './types.js'

/** Default of {@link PublishOptions.timeout}. */
const PUBLISH_TIMEOUT_MS = 30_000

/** A publication that is not acknowledged yet. */
export type Publication = Request & PublicationParts

interface PublicationParts extends RequestParts {
  topic: string
  /** Returns the frame that asks the server for it. */
  ask (): string
}

/**
 * Creates the function that publishes.
 *
 * @param requests gets each publication by its id, until it is settled
 */
export function createPublish (host: RequestHost, requests: Map<string, Request>): TopicsConnection['publish'] {
  // Unique also after the page is loaded again. `randomUUID` is missing from pages without TLS.
  const session = crypto.getRandomValues(new Uint32Array(4)).join('-')
  let published = 0
  let bytes = 0

  return (topic, data, { timeout = PUBLISH_TIMEOUT_MS } = {}) => new Promise((resolve, reject) => {
    const id = `${session}.${published++}`
    // A member without a value would be left out.
    const frame = JSON.stringify({ type: 'topic:publish', id, topic, data: data ?? null })
    const size = sizeOf(frame)
    if (bytes + size > host.bytes) throw topicFault('QUEUE_FULL', topic)
    bytes += size
    const deadline = createTimer()
    const settle = (): void => {
      deadline()
      publication.reset()
      requests.delete(id)
      bytes -= size
      host.ready()
    }
    const publication: Publication = createRequest<PublicationParts>(host, {
      topic,
      ask () {
        publication.state = ASKED
        return frame
      },
      heard ({ position }) {
        settle()
        resolve({ position })
      },
      end (code, details) {
        reject(topicFault(publication.unsure || (publication.state === ASKED && code !== 'TOPIC_REFUSED') ? 'UNCERTAIN' : code, topic, details))
        settle()
      }
    })
    deadline(timeout, () => { publication.end('TIMEOUT') })
    requests.set(id, publication)
    host.ready()
  })
}
