export * from './close.js'
export * from './constants.js'
export * from './messages.js'
