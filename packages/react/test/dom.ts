/** Provides a DOM for the whole process. Import it before React, which looks for one when it loads. */
import { JSDOM } from 'jsdom'

const { window } = new JSDOM('<!doctype html>', { url: 'http://localhost/' })
const { document, navigator } = window

for (const [name, value] of Object.entries({ window, document, navigator })) {
  // Newer versions of Node have their own navigator, which cannot be assigned to.
  Object.defineProperty(globalThis, name, { value, configurable: true })
}
