/** The topic of the hub that every socket of `/ws/kiosk` joins, for clients that subscribe to nothing. */
export const KIOSK_TOPIC = 'kiosk'

/** The topic that kiosks subscribe to: a reset waits in it for a kiosk that is away. */
export const RESET_TOPIC = 'kiosk/reset'

/** What is kept of it: resets that a kiosk may have missed, for a day. */
export const RESET_HISTORY = { size: 20, ttl: 86_400_000 }
