export const CONNECTING = 0
export const OPEN = 1
export const CLOSING = 2
export const CLOSED = 3

// Members of a socket for a class that adds to the interface.

/** What it runs on; `undefined` until the ticket is there. */
export const SOCKET: unique symbol = Symbol('socket')

/** Is given what it runs on, when the upgrade begins. */
export const DIALED: unique symbol = Symbol('dialed')

/** Takes a message, before any listener. */
export const RECEIVE: unique symbol = Symbol('receive')

/** Sends a message whose turn has come. */
export const WRITE: unique symbol = Symbol('write')

/** Ends the socket without waiting for the peer. */
export const CUT: unique symbol = Symbol('cut')

type Handler = ((this: EventTarget, event: Event) => unknown) | null

const NAMES = ['open', 'message', 'error', 'close']

/** The handlers of each target, by event. */
const handlers = new WeakMap<EventTarget, Map<string, { current: Handler, listener: (event: Event) => void }>>()

/**
 * Gives a class what Web IDL gives a `WebSocket` besides its methods: its name, the constants, members that can be enumerated, a tag, and
 * `onopen`, `onmessage`, `onerror` and `onclose`. A handler is called in the order in which it was first set, and keeps its
 * place when another one replaces it (HTML, section 8.1.8.1).
 */
export function defineInterface (target: { prototype: EventTarget }): void {
  const { prototype } = target
  for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (name !== 'constructor') Object.defineProperty(prototype, name, { ...member, enumerable: true })
  }
  for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
    for (const place of [target, prototype]) Object.defineProperty(place, name, { value, enumerable: true })
  }
  Object.defineProperty(target, 'name', { value: 'WebSocket', configurable: true })
  Object.defineProperty(prototype, Symbol.toStringTag, { value: 'WebSocket', configurable: true })
  for (const name of NAMES) {
    Object.defineProperty(prototype, `on${name}`, {
      configurable: true,
      enumerable: true,
      get (this: EventTarget): Handler { return handlers.get(this)?.get(name)?.current ?? null },
      set (this: EventTarget, value: unknown) { setHandler(this, name, value) }
    })
  }
}

function setHandler (target: EventTarget, name: string, value: unknown): void {
  // What is neither counts as null; an object that cannot be called is kept and does nothing.
  const current = typeof value === 'function' || typeof value === 'object' ? value as Handler : null
  const known = handlers.get(target) ?? new Map<string, { current: Handler, listener: (event: Event) => void }>()
  handlers.set(target, known)
  const entry = known.get(name)
  if (entry && current) {
    entry.current = current
  } else if (entry) {
    known.delete(name)
    target.removeEventListener(name, entry.listener)
  } else if (current) {
    const added = {
      current: current as Handler,
      listener (event: Event) { if (typeof added.current === 'function') added.current.call(target, event) }
    }
    known.set(name, added)
    target.addEventListener(name, added.listener)
  }
}
