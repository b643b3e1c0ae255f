import type { EventEmitter } from 'node:events'
import { noteServer } from './event-server.js'
import { handTrailOn } from './trail.js'

const kBegan = Symbol('airlock.began')

interface WithBegin {
  [kBegan]?: number
}

const noted = new WeakSet<object>()

/**
 * Notes when each upgrade begins, for {@link beganAt}, and at which server, for {@link serverOf}. What is decided later, by hooks that may take their time, counts from
 * then on.
 *
 * @param server the HTTP server, which emits `'upgrade'`
 * @param websocketServer the server of `ws`, which emits `'connection'`
 */
export function noteUpgrades (server: EventEmitter, websocketServer: EventEmitter | undefined): void {
  prependOnce(server, 'upgrade', (request: WithBegin) => {
    request[kBegan] = performance.now()
    noteServer(request, server)
  })
  // A plugin that was registered before `@fastify/websocket` could not name it.
  if (websocketServer !== undefined) prependOnce(websocketServer, 'connection', noteConnection)
}

function noteConnection (socket: WithBegin, request: WithBegin): void {
  const began = request[kBegan]
  if (began !== undefined) socket[kBegan] = began
  handTrailOn(request, socket)
}

function prependOnce (emitter: EventEmitter, event: string, listener: (...given: never[]) => void): void {
  if (noted.has(emitter)) return
  noted.add(emitter)
  emitter.prependListener(event, listener as () => void)
}

/**
 * When the upgrade of a request or a socket began, in milliseconds of `performance.now()`; `undefined` for what is not known
 * from {@link noteUpgrades} or {@link noteBegin}.
 */
export function beganAt (of: object): number | undefined {
  return (of as WithBegin)[kBegan]
}

/**
 * Says when that began which has led to an object, such as a proof of who somebody is, for {@link beganAt}. The object looks
 * the same as before.
 *
 * @param time in milliseconds of `performance.now()`
 */
export function noteBegin (of: object, time: number): void {
  Object.defineProperty(of, kBegan, { value: time, configurable: true })
}

/**
 * Says that what is decided on has begun earlier: its credential was asked for before the upgrade. An order since then counts.
 *
 * @param request the request of the upgrade
 * @param time in milliseconds of `performance.now()`
 */
export function noteEarlierBegin (request: object, time: number): void {
  const began = beganAt(request)
  if (began !== undefined && time < began) (request as WithBegin)[kBegan] = time
}
