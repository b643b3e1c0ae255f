/** What nodes and visitors of the soak agree on; times in milliseconds. */
export const NODES = 3
export const ROOMS = 3
/** Users; several visitors share one. */
export const SUBJECTS = 8
export const MAX_PER_SUBJECT = 4
export const TICKET_LIFE = 15_000
export const TOKEN_LIFE = 40_000
export const PUBLISH_EVERY = 250
export const BEAT = 1_000
/** Longer than a busy machine takes for anything that does come. */
export const PATIENT = 60_000
