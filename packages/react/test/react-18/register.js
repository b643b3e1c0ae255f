/** Imported before anything else: everything in this process that asks for React gets version 18. */
import Module, { createRequire, register } from 'node:module'
import { alias } from './alias.js'

register('./resolve.js', import.meta.url)

// The files of react-dom are CommonJS, which asks here and not at the hooks of `register`.
const { resolve } = createRequire(import.meta.url)
const { _resolveFilename } = Module
Module._resolveFilename = function (request, ...rest) {
  const mapped = alias(request)
  return mapped === request ? _resolveFilename.call(this, request, ...rest) : resolve(mapped)
}
