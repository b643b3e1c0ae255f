export * from './chromium.js'
export * from './found.js'
export * from './mongo.js'
