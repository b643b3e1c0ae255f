import type { Row } from '../lib/outcome.js'
import { audit } from './audit.js'
import { broadcast } from './broadcast.js'
import { deadlines } from './deadlines.js'
import { echo } from './echo.js'
import { first } from './first.js'
import { es256, handshake, redis, rs256, ticket } from './handshake.js'
import { heap } from './heap.js'
import { lag } from './lag.js'
import { reauthorize } from './reauthorize.js'
import { refusal } from './refusal.js'
import { scale } from './scale.js'
import { storm } from './storm.js'
import { presence } from './presence.js'
import { topics } from './topics.js'

/** Everything that can be measured, in the order of the results. */
export const ROWS: readonly Row[] = [
  handshake, ticket, redis, heap, refusal, broadcast, lag, echo, storm, first, rs256, es256, scale, deadlines, reauthorize, audit, topics, presence
]
