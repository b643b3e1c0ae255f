import type { FastifyInstance, RouteOptions } from 'fastify'
import { SetUp } from './set-up.js'

/** What is wrong with a route that a part was given to. */
export type RouteMistake = 'NOT_CALLED' | 'NOT_WEBSOCKET' | 'MISPLACED'

/** The errors of a plugin about the places of its parts. */
export type RouteErrors = Readonly<Record<RouteMistake, new (detail: string) => Error>>

/** What a function that a plugin hands out is to a route. */
export interface RoutePart {
  /** How it is written, such as `app.wsGuard()`. */
  readonly name: string
  /**
   * - `hook`: a hook that runs before the upgrade
   * - `handler`: the handler of a WebSocket
   * - `maker`: makes a hook or a handler when it is called, and is none itself
   * - `check`: a hook that may stand anywhere
   */
  readonly role: 'hook' | 'handler' | 'maker' | 'check'
  /** Whether nobody unknown passes it. */
  readonly authenticates: boolean
  /** Whether it may stand in a route without a WebSocket, where it does nothing or fails by itself. */
  readonly plain?: boolean
  /** Makes the error of the plugin where a route would have one of these hooks besides that of its scope; without it, it may. */
  twice? (detail: string): Error
  /** `false` for a handler whose connections are not added to the hub. */
  readonly hub?: boolean
  /** Called when it is the handler of a WebSocket route, with the route, which it may change. */
  placed? (route: RouteOptions): void
  /** Makes the error of the plugin. */
  fail (mistake: RouteMistake, detail: string): Error
}

/** What the functions are to a route that belong to one decorator. */
export interface RouteParts {
  /** What the decorator makes. */
  made: RoutePart
  /** The decorator: nothing, before it is called. */
  maker: RoutePart
  /** The plugin, which is often taken for the decorator. */
  plugin: RoutePart
}

/**
 * Describes a decorator that makes a hook or a handler, and the plugin of the same name.
 *
 * @param name of the decorator, such as `wsGuard`
 * @param call how it is written where it has been called, such as `app.wsGuard()`
 * @param made what the decorator makes
 */
export function describeRouteParts (name: string, call: string, made: Pick<RoutePart, 'role' | 'authenticates' | 'plain' | 'hub' | 'twice'>, errors: RouteErrors): RouteParts {
  const fail: RoutePart['fail'] = (mistake, detail) => new errors[mistake](detail)
  const maker = (name: string): RoutePart => ({ name, role: 'maker', authenticates: false, fail })
  return { made: { ...made, name: call, fail }, maker: maker(`app.${name}`), plugin: maker(`the plugin ${name}`) }
}

// Registered symbols, since an application may hold several copies of this package.
const kPart = Symbol.for('airlock.routePart')
const kWatch = Symbol.for('airlock.routeWatch')
const kNoHub = Symbol.for('airlock.noHub')

/** Says what a function is to a route. */
export function markRoutePart<T extends object> (part: T, description: RoutePart): T {
  return Object.defineProperty(part, kPart, { value: description, configurable: true })
}

/** What a function is to a route, where a plugin has handed it out. */
export function partOf (value: unknown): RoutePart | undefined {
  return (value as { [kPart]?: RoutePart } | null | undefined)?.[kPart]
}

/** Whether the connections of a route may be added to the hub, as far as its handler says so. */
export function goesToHub (config: object): boolean {
  return !(kNoHub in config)
}

/** Hooks that run before an upgrade, are called with a callback, and can refuse it. */
const HOOKS = ['onRequest', 'preValidation', 'preHandler']

type Declared = Record<string, unknown>

interface Unprotected {
  scope: object
  route: string
}

/** A WebSocket route, with those of its own hooks that it may not have besides one of its scope. */
interface Guarded extends Unprotected {
  own: readonly RoutePart[]
}

/** What is known of the routes of a server. */
interface RouteWatch {
  /** Parts that protect and are in no route yet: a hook of the application's may call them. */
  loose: Set<object>
  /** WebSocket routes that nothing of their own protects. */
  unprotected: Unprotected[]
  /** Scopes with a hook that protects all of their routes. */
  scopes: WeakSet<object>
  /** WebSocket routes. */
  routes: Guarded[]
  /** Hooks beside which a route may have none of its own, of each scope that has some. */
  once: WeakMap<object, readonly RoutePart[]>
  /** Whether the server has started: no route can be declared any more. */
  isRunning: boolean
}

interface Watched {
  [kWatch]?: RouteWatch
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Says that a WebSocket route has neither guard nor handshake on purpose: it is public, or has a check of its own. */
    wsPublic?: boolean
  }
}

/** The code of the warning about WebSocket routes that everybody may use. */
export const UNPROTECTED = 'WSA_CORE_WARN_UNPROTECTED_ROUTE'

/**
 * Looks at each route and hook that is declared from now on: a part in the wrong place throws there, and WebSocket routes
 * without any protection are named in a warning at the start. `@fastify/websocket` replaces each handler before any other
 * `onRoute` hook sees it, so the methods that declare routes are wrapped as well.
 */
export function watchRoutes (fastify: FastifyInstance): void {
  const server = fastify.server as Watched
  const watch = server[kWatch] ??= createWatch(fastify)
  if (kWatch in fastify) return
  Object.defineProperty(fastify, kWatch, { value: watch })
  let declared: Declared | null = null
  const methods = fastify as unknown as Record<string, (...given: unknown[]) => unknown>
  const wrap = (name: string, read: (given: unknown[]) => Declared): void => {
    const declare = methods[name] as (...given: unknown[]) => unknown
    methods[name] = function (this: FastifyInstance, ...given: unknown[]) {
      const outer = declared
      declared = read(given)
      try {
        return declare.apply(this, given)
      } finally {
        declared = outer
      }
    }
  }
  wrap('route', ([options]) => ({ ...options as object }))
  for (const name of ['all', ...fastify.supportedMethods.map(method => method.toLowerCase())]) {
    if (typeof methods[name] === 'function') wrap(name, ([, options, handler]) => typeof options === 'function' ? { handler: options } : { ...options as object, ...handler !== undefined && { handler } })
  }
  fastify.addHook('onRoute', function (route) {
    // As it was declared: other plugins may have wrapped hooks and handler meanwhile.
    look(watch, this, route, declared ?? route as unknown as Declared)
  })

  const { addHook } = fastify
  fastify.addHook = function (this: FastifyInstance, name: string, hook: unknown) {
    const part = partOf(hook)
    if (part !== undefined) {
      place(part, name, 'a scope', true, {})
      watch.loose.delete(hook as object)
      if (part.authenticates) watch.scopes.add(this)
      if (part.twice !== undefined) {
        checkOnce([...hooksOf(watch, this), part], `a scope has ${part.name} as its ${name}, and so has one that it is in, or the scope itself`)
        watch.once.set(this, [...watch.once.get(this) ?? [], part])
      }
    }
    return (addHook as (...given: unknown[]) => FastifyInstance).call(this, name, hook)
  } as typeof addHook
}

/** Notes a part that protects a route, until it is seen in one. */
export function expectRoutePart (fastify: FastifyInstance, part: object): void {
  const watch = (fastify.server as Watched)[kWatch]
  // A hook of the application's may make one for each request.
  if (watch?.isRunning === false) watch.loose.add(part)
}

/** Notes that a part protects what it is called for, by a function that a plugin has put into its place. */
export function foundRoutePart (fastify: FastifyInstance, part: object): void {
  (fastify.server as Watched)[kWatch]?.loose.delete(part)
}

function createWatch (fastify: FastifyInstance): RouteWatch {
  const watch: RouteWatch = { loose: new Set(), unprotected: [], scopes: new WeakSet(), routes: [], once: new WeakMap(), isRunning: false }
  const setUp = SetUp.of(fastify)
  setUp.check(() => {
    watch.isRunning = true
    // A scope may have been given its hook after its routes.
    for (const route of watch.routes) checkRoute(watch, route)
    watch.routes.length = 0
    const routes = watch.unprotected.filter(({ scope }) => !isInside(scope, watch.scopes)).map(({ route }) => route)
    // Which routes a loose part protects, nobody can see.
    if (routes.length === 0 || watch.loose.size > 0) return
    setUp.warn(UNPROTECTED, `Everybody may use these WebSocket routes: ${[...new Set(routes)].join(', ')}. Give them app.wsGuard() as their preValidation or app.wsHandshake(handler) as their handler, or say config: { wsPublic: true }`)
  })
  return watch
}

function isInside (scope: object, scopes: WeakSet<object>): boolean {
  for (let at: object | null = scope; at !== null; at = Object.getPrototypeOf(at)) if (scopes.has(at)) return true
  return false
}

function look (watch: RouteWatch, scope: object, options: RouteOptions, declared: Declared): void {
  const { method } = options
  const route = `${String(method)} ${options.url}`
  const isWebsocket = Boolean(declared.websocket) || Boolean(declared.wsHandler)
  const own: RoutePart[] = []
  let isProtected = (declared.config as { wsPublic?: unknown } | undefined)?.wsPublic === true
  for (const [place_, value] of Object.entries(declared)) {
    for (const candidate of [value].flat()) {
      const part = partOf(candidate)
      if (part === undefined) continue
      place(part, place_, route, isWebsocket, declared)
      if (part.role === 'handler' && isWebsocket && [method].flat().includes('GET')) settle(part, options)
      watch.loose.delete(candidate as object)
      isProtected ||= part.authenticates
      if (part.twice !== undefined) own.push(part)
    }
  }
  // Fastify adds a HEAD route to each GET route.
  if (!isWebsocket || ![method].flat().includes('GET')) return
  if (!isProtected) watch.unprotected.push({ scope, route })
  checkRoute(watch, { scope, route, own })
  watch.routes.push({ scope, route, own })
}

/** Those that a route has from its scope, and those around it: Fastify hands later ones down as well. */
function hooksOf ({ once }: RouteWatch, scope: object): RoutePart[] {
  const hooks: RoutePart[] = []
  for (let at: object | null = scope; at !== null; at = Object.getPrototypeOf(at)) hooks.push(...once.get(at) ?? [])
  return hooks
}

function checkRoute (watch: RouteWatch, { scope, route, own }: Guarded): void {
  const hooks = hooksOf(watch, scope)
  // A route may combine several of its own: it can be seen what it does.
  if (hooks.length > 0) checkOnce([...hooks, ...own], `${route} has ${hooks[0]?.name}, and so has a scope that it is in`)
}

function checkOnce ([first, second]: readonly RoutePart[], detail: string): void {
  if (second !== undefined) throw (first as Required<RoutePart>).twice(detail)
}

function settle (part: RoutePart, route: RouteOptions): void {
  if (part.hub === false) route.config = { ...route.config, [kNoHub]: true } as NonNullable<RouteOptions['config']>
  part.placed?.(route)
}

function place (part: RoutePart, at: string, route: string, isWebsocket: boolean, declared: Declared): void {
  const { name, role, plain = false } = part
  if (role === 'check') return
  if (role === 'maker') throw part.fail('NOT_CALLED', `the ${at} of ${route} is ${name} itself, which was not called`)
  const fits = role === 'hook' ? HOOKS.includes(at) : at === 'handler' || (at === 'wsHandler' && !declared.websocket)
  if (!fits) throw part.fail('MISPLACED', `${name} is the ${at} of ${route}`)
  if (!plain && (!isWebsocket || (at === 'handler' && !declared.websocket))) throw part.fail('NOT_WEBSOCKET', `${route} has ${name} as its ${at}`)
}
