import { describeRouteParts } from '@fastify-airlock/core'
import { WSA_HANDSHAKE_ERR_MISPLACED, WSA_HANDSHAKE_ERR_NOT_CALLED, WSA_HANDSHAKE_ERR_NOT_WEBSOCKET } from './errors.js'

/** What a handler of the handshake, its decorator and the plugin are to a route. */
export const HANDSHAKE = describeRouteParts('wsHandshake', 'app.wsHandshake(handler)', { role: 'handler', authenticates: true }, {
  NOT_CALLED: WSA_HANDSHAKE_ERR_NOT_CALLED,
  NOT_WEBSOCKET: WSA_HANDSHAKE_ERR_NOT_WEBSOCKET,
  MISPLACED: WSA_HANDSHAKE_ERR_MISPLACED
})
