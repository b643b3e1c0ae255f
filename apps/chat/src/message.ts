/** What is said in a room. */
export interface Message {
  /** Chosen by who says it, to know it again. */
  id: string
  from: string
  text: string
}

const MAX_ID = 64

/** Longest text, in UTF-16 code units. */
export const MAX_TEXT = 2_000

/** Whether it is a message, and of this user: nobody speaks in the name of somebody else. */
export function isMessage (data: unknown, user: string): data is Message {
  const { id, from, text, ...rest } = { ...data as Partial<Message> | null }
  return from === user && typeof id === 'string' && id.length <= MAX_ID &&
    typeof text === 'string' && text.trim() !== '' && text.length <= MAX_TEXT && Object.keys(rest).length === 0
}
