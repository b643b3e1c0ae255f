import { describeRouteParts } from '@fastify-airlock/core'
import { WSA_GUARD_ERR_MISPLACED, WSA_GUARD_ERR_NOT_CALLED, WSA_GUARD_ERR_NOT_WEBSOCKET } from './errors.js'

/** What a guard, its decorator and the plugin are to a route. */
export const GUARD = describeRouteParts('wsGuard', 'app.wsGuard()', { role: 'hook', authenticates: true }, {
  NOT_CALLED: WSA_GUARD_ERR_NOT_CALLED,
  NOT_WEBSOCKET: WSA_GUARD_ERR_NOT_WEBSOCKET,
  MISPLACED: WSA_GUARD_ERR_MISPLACED
})
