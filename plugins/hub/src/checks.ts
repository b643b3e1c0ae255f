/** Longest topic, in bytes of UTF-8. */
export const MAX_TOPIC_BYTES = 256

/** Most levels of a topic: every mqemitter allows 100, its prefix included. */
export const MAX_TOPIC_LEVELS = 64

// As in MQTT (version 5, section 4.7.1): a wildcard is a whole level, and `#` is the last one.
const pattern = /^(?:(?:\+|[^+#/]*)\/)*(?:[+#]|[^+#/]*)$/

/** Whether a value can be joined or published to: a non-empty string of at most 256 bytes and 64 levels. */
export function isTopic (value: unknown, wildcard = false): value is string {
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= MAX_TOPIC_BYTES &&
    value.split('/', MAX_TOPIC_LEVELS + 1).length <= MAX_TOPIC_LEVELS && (!wildcard || pattern.test(value))
}

/** Whether a value can be the id of a node: it becomes part of a topic on the bus. */
export function isNodeId (value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]{1,64}$/.test(value)
}

/** RFC 6455, section 7.4, and the IANA registry: 1004 to 1006 and 1015 are never sent, 1016 to 2999 are not assigned. */
export function isSendableCode (code: unknown): code is number {
  return Number.isInteger(code) && isAssigned(code as number)
}

function isAssigned (code: number): boolean {
  return (code >= 1000 && code <= 1014 && !(code >= 1004 && code <= 1006)) || (code >= 3000 && code <= 4999)
}
