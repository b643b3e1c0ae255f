import { SessionStore } from './session-store.js'

/** The session of this page. */
export const session = new SessionStore(new BroadcastChannel('airlock'))
