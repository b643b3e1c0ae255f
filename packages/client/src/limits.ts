/** Back-off starts over after a connection that stayed open this long, in milliseconds. */
export const STABLE_MS = 30_000

/** Least time between the starts of two refreshes, in milliseconds: the average rate that a server allows. */
export const REFRESH_INTERVAL_MS = 1_000

/** Time from the look that finds a socket silent to the one that gives it up, in milliseconds. */
export const SECOND_LOOK_MS = 1_000

/** A page that was hidden for longer may have slept, and lost its socket without noticing. In milliseconds. */
export const LONG_HIDDEN_MS = 60_000

/** An attempt that a page was hidden for so long of has to begin anew when it becomes visible. In milliseconds. */
export const SHORT_HIDDEN_MS = 2_000

/** A socket that ends within this time after the page woke is replaced at once: it may have been dead for long. In milliseconds. */
export const AWAKE_MS = 2_000

/** The share of the messages at once that the server allows: a network may hold some back and bring them together with others. */
export const BURST_SHARE = 0.5

/** The share of the messages a second that the server allows: clocks differ. */
export const RATE_SHARE = 0.9

/** Bytes in the socket from which on a volatile message would arrive late. */
export const MAX_VOLATILE_BACKLOG = 16_384

/** The longest wait that a server may ask for, in milliseconds. */
export const LONGEST_WAIT = 3_600_000

/** The longest delay that a timer takes, in milliseconds. A longer one fires at once. */
export const LONGEST_TIMER = 2 ** 31 - 1
