import type { RoutePart } from '@fastify-airlock/core'
import { WSA_GUARD_ERR_MISPLACED, WSA_GUARD_ERR_NOT_CALLED, WSA_GUARD_ERR_NOT_WEBSOCKET, WSA_GUARD_ERR_OPTION } from './errors.js'

const ERRORS = {
  NOT_CALLED: WSA_GUARD_ERR_NOT_CALLED,
  NOT_WEBSOCKET: WSA_GUARD_ERR_NOT_WEBSOCKET,
  MISPLACED: WSA_GUARD_ERR_MISPLACED
}

const fail: RoutePart['fail'] = (mistake, detail) => new ERRORS[mistake](detail)

/** What a guard is to a route. */
export const GUARD: RoutePart = { name: 'app.wsGuard()', role: 'hook', authenticates: true, fail }

/** What the decorator is to a route: nothing, before it is called. */
export const MAKER: RoutePart = { name: 'app.wsGuard', role: 'maker', authenticates: false, fail }

/** What the plugin is to a route. */
export const PLUGIN: RoutePart = { name: 'the plugin wsGuard', role: 'maker', authenticates: false, fail }

/** What the maker of an authenticator is to a route, and to the option `authenticate`: nothing, before it is called. */
export const authenticatorMaker = (name: string): RoutePart => ({
  name, role: 'maker', authenticates: false, fail: (_mistake, detail) => new WSA_GUARD_ERR_OPTION(`give app.wsGuard({ authenticate: ${name}() }): ${detail}`)
})
