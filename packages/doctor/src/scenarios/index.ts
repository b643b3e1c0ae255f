// Nothing here needs Node: the page of the demo has it in its bundle.
export * from './forge.js'
export * from './list.js'
export type * from './tools.js'
export * from './verdict.js'
