import { JSDOM } from 'jsdom'
import type { Test } from 'tap'

/** The parts of a page that the client uses. */
export function page (t: Test, url = 'https://app.test/page', html = '') {
  const { window } = new JSDOM(html, { url })
  let hidden = false
  let online = true
  Object.defineProperty(window.document, 'hidden', { get: () => hidden })
  let listening = 0
  const counted = (target: EventTarget) => ({
    addEventListener: (name: string, listener: EventListener): void => {
      listening++
      target.addEventListener(name, listener)
    },
    removeEventListener: (name: string, listener: EventListener): void => {
      listening--
      target.removeEventListener(name, listener)
    }
  })
  const { document } = window
  for (const [name, value] of Object.entries({
    document: new Proxy(document, {
      get: (target, name) => counted(target)[name as 'addEventListener'] ?? Reflect.get(target, name, target)
    }),
    location: window.location,
    navigator: { get onLine () { return online } },
    ...counted(window as unknown as EventTarget)
  })) t.intercept(globalThis, name as 'document', { value })
  return {
    window,
    document,
    listening: () => listening,
    /** Without an event, since the client does not listen for it. */
    offline () { online = false },
    online () {
      online = true
      window.dispatchEvent(new window.Event('online'))
    },
    turn (to: 'hidden' | 'visible') {
      hidden = to === 'hidden'
      window.document.dispatchEvent(new window.Event('visibilitychange'))
    }
  }
}
