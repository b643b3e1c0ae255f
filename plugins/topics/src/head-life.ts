/**
 * How much longer than its publications the position of a topic is known, in milliseconds: a client that comes back to a topic
 * in which nothing has happened is told so.
 */
export const HEAD_LIFE = 24 * 60 * 60_000
