import { describeRouteParts, type RoutePart } from '@fastify-airlock/core'
import { WSA_GUARD_ERR_MISPLACED, WSA_GUARD_ERR_NOT_CALLED, WSA_GUARD_ERR_NOT_WEBSOCKET, WSA_GUARD_ERR_OPTION, WSA_GUARD_ERR_TWICE } from './errors.js'

/** What a guard, its decorator and the plugin are to a route. */
export const GUARD = describeRouteParts('wsGuard', 'app.wsGuard()', { role: 'hook', authenticates: true, twice: detail => new WSA_GUARD_ERR_TWICE(detail) }, {
  NOT_CALLED: WSA_GUARD_ERR_NOT_CALLED,
  NOT_WEBSOCKET: WSA_GUARD_ERR_NOT_WEBSOCKET,
  MISPLACED: WSA_GUARD_ERR_MISPLACED
})

/** What the maker of an authenticator is to a route, and to the option `authenticate`: nothing, before it is called. */
export const authenticatorMaker = (name: string): RoutePart => ({
  name, role: 'maker', authenticates: false, fail: (_mistake, detail) => new WSA_GUARD_ERR_OPTION(`give app.wsGuard({ authenticate: ${name}() }): ${detail}`)
})
