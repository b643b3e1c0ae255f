export { connectTopics } from './connect-topics.js'
export type * from './types.js'
