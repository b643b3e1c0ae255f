/** Begins every text that was changed. Text that happens to begin with it is changed as well. */
const MARK = '\u0001'

/** NUL, which some databases cannot hold, and half of a surrogate pair, which UTF-8 cannot hold. */
const UNSTORABLE = /\0|\p{Surrogate}/u

/**
 * Makes text that every database can hold and give back: well-formed, and without NUL. Nearly all text stays as it is,
 * and two different texts stay different. A driver would replace half of a surrogate pair by U+FFFD, and two subjects
 * could become one.
 */
export function toStored (text: string): string {
  return UNSTORABLE.test(text) || text.startsWith(MARK) ? MARK + JSON.stringify(text) : text
}

/** Undoes {@link toStored}. */
export function fromStored (text: string): string {
  return text.startsWith(MARK) ? JSON.parse(text.slice(1)) : text
}
