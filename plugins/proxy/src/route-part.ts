import type { RoutePart } from '@fastify-airlock/core'
import { WSA_PROXY_ERR_MISPLACED, WSA_PROXY_ERR_NOT_CALLED } from './errors.js'

const part = (name: string, role: RoutePart['role']): RoutePart => ({
  name,
  role,
  authenticates: false,
  // In a route without a WebSocket the hook does nothing, and the handler throws WSA_PROXY_ERR_NOT_DIALLED.
  plain: true,
  fail: (mistake, detail) => mistake === 'NOT_CALLED' ? new WSA_PROXY_ERR_NOT_CALLED(detail) : new WSA_PROXY_ERR_MISPLACED(detail)
})

/** What a proxy is to a route. */
export const HANDLER = part('app.wsProxy()', 'handler')

/** What the hook of a proxy is to a route. */
export const DIAL = part('app.wsProxy().dial', 'hook')

/** What the decorator is to a route: nothing, before it is called. */
export const MAKER = part('app.wsProxy', 'maker')

/** What the plugin is to a route. */
export const PLUGIN = part('the plugin wsProxy', 'maker')
