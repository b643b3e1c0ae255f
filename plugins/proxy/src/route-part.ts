import { describeRouteParts, type RoutePart } from '@fastify-airlock/core'
import { WSA_PROXY_ERR_MISPLACED, WSA_PROXY_ERR_NOT_CALLED } from './errors.js'

/** What a proxy, its decorator and the plugin are to a route. */
export const PROXY = describeRouteParts('wsProxy', 'app.wsProxy()', { role: 'handler', authenticates: false, plain: true, hub: false }, {
  NOT_CALLED: WSA_PROXY_ERR_NOT_CALLED,
  // Of no use here: in a route without a WebSocket the hook does nothing, and the handler throws WSA_PROXY_ERR_NOT_DIALLED.
  NOT_WEBSOCKET: WSA_PROXY_ERR_MISPLACED,
  MISPLACED: WSA_PROXY_ERR_MISPLACED
})

/** What the hook of a proxy is to a route. */
export const DIAL: RoutePart = { ...PROXY.made, name: 'app.wsProxy().dial', role: 'hook' }
