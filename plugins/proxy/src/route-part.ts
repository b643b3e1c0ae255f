import type { RoutePart } from '@fastify-airlock/core'
import { WSA_PROXY_ERR_MISPLACED, WSA_PROXY_ERR_NOT_CALLED, WSA_PROXY_ERR_NOT_WEBSOCKET } from './errors.js'

const ERRORS = {
  NOT_CALLED: WSA_PROXY_ERR_NOT_CALLED,
  NOT_WEBSOCKET: WSA_PROXY_ERR_NOT_WEBSOCKET,
  MISPLACED: WSA_PROXY_ERR_MISPLACED
}

const part = (name: string, role: RoutePart['role']): RoutePart =>
  ({ name, role, authenticates: false, fail: (mistake, detail) => new ERRORS[mistake](detail) })

/** What a proxy is to a route. */
export const HANDLER = part('app.wsProxy()', 'handler')

/** What the hook of a proxy is to a route. */
export const DIAL = part('app.wsProxy().dial', 'hook')

/** What the decorator is to a route: nothing, before it is called. */
export const MAKER = part('app.wsProxy', 'maker')

/** What the plugin is to a route. */
export const PLUGIN = part('the plugin wsProxy', 'maker')
