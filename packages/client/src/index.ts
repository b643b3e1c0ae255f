export { json, raw } from './codec.js'
export { connect } from './connect.js'
export { AirlockError, type ErrorCode } from './errors.js'
export type * from './types.js'
