export { connectPresence } from './connect-presence.js'
export type * from './types.js'
