import { isJwt } from './jwt.js'
import type { DoctorSettings } from './options.js'
import type { Need, Rule } from './rule.js'

/** What is known of a server before its rules are looked at. */
export interface Facts {
  settings: DoctorSettings
  /** Why an honest upgrade gets no 101; `null` if it does, or as long as nobody has tried. */
  wayIn: string | null
  /** Why an honest client is not let in; `null` if it is, or as long as nobody has tried. */
  letIn: string | null
}

const option = (met: boolean, otherwise: string): string | null => met ? null : otherwise

/** For each need, why it is not met; `null` if it is. */
const NEEDS: Readonly<Record<Need, (facts: Facts) => string | null>> = {
  'door one': ({ settings: { carrier } }) => option(carrier !== 'none', '--carrier none says that the upgrade takes no credential'),
  tickets: ({ settings: { ticketUrl, token, cookie, carrier } }) =>
    option(ticketUrl !== undefined && carrier !== 'none', 'no ticket route is known: --ticket names it') ??
    option(token !== undefined || cookie !== undefined, 'nobody is logged in: set AIRLOCK_TOKEN or AIRLOCK_COOKIE'),
  token: ({ settings: { token } }) => option(token !== undefined, 'AIRLOCK_TOKEN is not set'),
  jwt: ({ settings: { token } }) => option(token === undefined || isJwt(token), 'AIRLOCK_TOKEN is no JWT'),
  'second token': ({ settings: { secondToken } }) => option(secondToken !== undefined, 'AIRLOCK_TOKEN_2 is not set: a JWT of another user'),
  'expired token': ({ settings: { expiredToken } }) => option(expiredToken !== undefined, 'AIRLOCK_TOKEN_EXPIRED is not set'),
  'short token': ({ settings: { shortToken } }) => option(shortToken !== undefined, 'AIRLOCK_TOKEN_SHORT is not set: a JWT that expires within a minute'),
  'wider token': ({ settings: { widerToken } }) => option(widerToken !== undefined, 'AIRLOCK_TOKEN_WIDER is not set: a JWT of the same user with more rights'),
  'first frame': ({ settings: { firstFrame } }) => option(firstFrame, '--no-first-frame says that the server asks for no JWT in the first frame'),
  refresh: ({ settings: { refreshMessage } }) => option(refreshMessage !== false, '--no-refresh says that a JWT cannot be renewed'),
  'way in': ({ wayIn }) => wayIn,
  'let in': ({ letIn }) => letIn,
  'forbidden url': ({ settings: { forbiddenUrl } }) => option(forbiddenUrl !== undefined, 'no WebSocket is known that the user may not use: --forbidden names it'),
  'public key': ({ settings: { publicKey } }) => option(publicKey !== undefined, 'no public key is known: --public-key names its file'),
  tls: ({ settings: { url } }) => option(url.protocol === 'wss:', 'the URL is not wss:'),
  race: ({ settings: { race } }) => option(race, '50 clients at once are for test servers: --race allows them here'),
  exhaust: ({ settings: { exhaust } }) => option(exhaust, 'up to 70 requests for tickets lock the user out for a minute: --exhaust allows them'),
  drain: ({ settings: { drain } }) => option(drain > 0, 'nobody restarts the server: --drain 60000 waits for it'),
  airlock: ({ settings: { dialect } }) => option(dialect === 'airlock', '--dialect any says that the server does not speak Airlock'),
  subprotocol: ({ settings: { subprotocol } }) => option(subprotocol !== false, '--no-subprotocol says that the route speaks none')
}

/** The first thing that a rule lacks; `null` if it lacks nothing. */
export function missing ({ needs }: Rule, facts: Facts): string | null {
  for (const need of needs) {
    const reason = NEEDS[need](facts)
    if (reason !== null) return reason
  }
  return null
}
