import type { TopicRights } from './topic-host.js'

/** Longest topic, in bytes of UTF-8, and most levels: as in the hub. */
const MAX_TOPIC_BYTES = 256
const MAX_TOPIC_LEVELS = 64

/** Whether a value is a topic: a non-empty string of at most 256 bytes and 64 levels. */
export function isTopic (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TOPIC_BYTES && Buffer.byteLength(value) <= MAX_TOPIC_BYTES &&
    value.split('/', MAX_TOPIC_LEVELS + 1).length <= MAX_TOPIC_LEVELS
}

/** Whether a value is a pattern: a topic whose last level may be `#`, which stands nowhere else. */
export function isTopicPattern (value: unknown): value is string {
  return isTopic(value) && !value.split('/').slice(0, -1).includes('#')
}

/** Whether a pattern fits a topic: `+` or `*` is any one level, `#` at the end any number of levels, also none. */
export function fitsTopic (pattern: string, topic: string): boolean {
  if (pattern === topic) return true
  const [wanted, found] = [pattern.split('/'), topic.split('/')]
  for (const [level, name] of wanted.entries()) {
    if (name === '#' && level === wanted.length - 1) return true
    if (level >= found.length) return false
    if (name !== '+' && name !== '*' && name !== found[level]) return false
  }
  return wanted.length === found.length
}

/** Whether an order of the hub concerns a topic. */
export function concernsTopic ({ topic: name, wildcard }: Pick<TopicRights, 'topic' | 'wildcard'>, topic: string): boolean {
  if (name === undefined || name === topic) return true
  if (!wildcard) return false
  // A star is a plain character to the hub.
  const [wanted, found] = [name.split('/'), topic.split('/')]
  for (const [level, part] of wanted.entries()) {
    if (part === '#') return true
    if (level >= found.length || (part !== '+' && part !== found[level])) return false
  }
  return wanted.length === found.length
}
