import type { StoredMessage, TopicPosition, TopicRead } from '../store.js'

/** Whether nothing is missing between a position and what was found after it. */
export function readOf (position: TopicPosition, since: TopicPosition | null, messages: StoredMessage[]): TopicRead {
  const complete = since === null ||
    (since.epoch === position.epoch && (since.offset === position.offset || messages[0]?.offset === since.offset + 1))
  return { position, messages, complete }
}
