/** Import it before anything else: whatever imports React in this process then gets version 18. */
import Module, { createRequire, register } from 'node:module'
import { alias } from './alias.js'

register('./resolve.js', import.meta.url)

// The files of react-dom are CommonJS, which ignores the hooks of `register`. `_resolveFilename` is undocumented (read in
// Node 20 to 26). Without it, react-dom would load React 19, and version.test.ts would fail.
const { resolve } = createRequire(import.meta.url)
const { _resolveFilename } = Module
Module._resolveFilename = function (request, ...rest) {
  const mapped = alias(request)
  return mapped === request ? _resolveFilename.call(this, request, ...rest) : resolve(mapped)
}
