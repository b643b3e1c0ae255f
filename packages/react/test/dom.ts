/** A page, for as long as the process lives. Imported before React, which looks for one when it is loaded. */
import { JSDOM } from 'jsdom'

const { window } = new JSDOM('<!doctype html>', { url: 'http://localhost/' })
const { document, navigator } = window

// Of Node's signals, which fetch insists on, jsdom takes none for its own.
const { addEventListener } = document
document.addEventListener = (type: string, listener: EventListener, options?: AddEventListenerOptions | boolean) => {
  const { signal, ...rest } = typeof options === 'object' ? options : { signal: undefined, capture: options ?? false }
  addEventListener.call(document, type, listener, rest)
  signal?.addEventListener('abort', () => document.removeEventListener(type, listener, rest))
}

for (const [name, value] of Object.entries({ window, document, navigator })) {
  // Newer versions of Node have a navigator of their own, which can not be assigned to.
  Object.defineProperty(globalThis, name, { value, configurable: true })
}
