import type { Position, TopicMessage } from './types.js'

/** What a server sends about topics. Which members there are depends on `type`. */
export interface TopicFrame {
  type: string
  topic: string
  id?: string
  position?: Position
  recovered?: boolean
  messages?: TopicMessage[]
  more?: boolean
  data?: unknown
  reason?: string
  code?: string
  retryAfter?: number
}

/** Matches every message about topics, whose type is written without escapes, and few others. */
const TOPIC = /"topic:/

/** Reads a message about topics. @returns `undefined` for any other message */
export function readFrame (data: unknown): TopicFrame | undefined {
  try {
    if (TOPIC.test(data as string)) {
      const frame = JSON.parse(data as string)
      if (frame.type.startsWith('topic:')) return frame
    }
  } catch {
    // Not JSON, or without a type.
  }
}

/**
 * Whether a message that stands at `position` is after `known`: in the same history by the offset, in another one always.
 */
export function isAfter (position: Position | undefined, known: Position | undefined): boolean {
  return !position || position.epoch !== known?.epoch || position.offset > known.offset
}
