import { EXPIRING_AT } from '@fastify-airlock/protocol'
import { useSession } from '../session/useSession.js'
import { clock, timeOfDay } from '../ui/format.js'
import { useNow } from '../ui/hooks.js'
import type { Progress } from './progress.js'

/** Shows how long the current JWT is valid, and when the next one replaces it. */
export function TokenLife ({ progress: { status, refreshes } }: { progress: Progress }) {
  const session = useSession()
  const now = useNow(500, session !== null)
  if (session === null) return null
  const { since, expiresAt } = session
  const life = Math.max(1, expiresAt - since)
  const lived = Math.min(1, Math.max(0, (now - since) / life))
  const left = since + EXPIRING_AT * life - now
  return (
    <div className='life' data-refreshed={refreshes}>
      <div className='bar' aria-hidden='true' key={refreshes} data-flash={refreshes > 0}>
        <div className='bar-lived' style={{ inlineSize: `${lived * 100}%` }} />
        <div className='bar-mark' style={{ insetInlineStart: `${EXPIRING_AT * 100}%` }} />
      </div>
      <p>
        {now < expiresAt ? 'JWT valid until' : 'JWT expired at'} {timeOfDay(expiresAt)}
        {status === 'open' && (left > 0 ? `, next one in ${clock(left)}` : ', next one any moment now')}
        {refreshes > 0 && <b>, renewed {refreshes === 1 ? 'once' : `${refreshes} times`} on this connection</b>}
      </p>
    </div>
  )
}
