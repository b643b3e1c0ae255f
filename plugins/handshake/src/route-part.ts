import type { RoutePart } from '@fastify-airlock/core'
import { WSA_HANDSHAKE_ERR_MISPLACED, WSA_HANDSHAKE_ERR_NOT_CALLED, WSA_HANDSHAKE_ERR_NOT_WEBSOCKET } from './errors.js'

const ERRORS = {
  NOT_CALLED: WSA_HANDSHAKE_ERR_NOT_CALLED,
  NOT_WEBSOCKET: WSA_HANDSHAKE_ERR_NOT_WEBSOCKET,
  MISPLACED: WSA_HANDSHAKE_ERR_MISPLACED
}

const fail: RoutePart['fail'] = (mistake, detail) => new ERRORS[mistake](detail)

/** What the result of the decorator is to a route. */
export const HANDLER: RoutePart = { name: 'app.wsHandshake(handler)', role: 'handler', authenticates: true, fail }

/** What the decorator is to a route: nothing, before it is called. */
export const MAKER: RoutePart = { name: 'app.wsHandshake', role: 'maker', authenticates: false, fail }

/** What the plugin is to a route. */
export const PLUGIN: RoutePart = { name: 'the plugin wsHandshake', role: 'maker', authenticates: false, fail }
