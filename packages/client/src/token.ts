import { askApplication } from './application.js'
import { sizeOf } from './codec.js'
import { fault } from './errors.js'
import type { ConnectSettings, TokenContext } from './options.js'

/** Builds the control message that carries a JWT, and maybe more. */
export function tokenFrame (type: 'auth' | 'refresh', token: string, more?: object | false): string {
  return JSON.stringify({ type, token, ...more })
}

/**
 * Asks the application for a JWT.
 *
 * @param useless a JWT that will not do again
 * @throws AirlockError when there is none, when it is `useless`, or when it does not fit into a control message of `maxAuthBytes`
 */
export async function askToken ({ getToken, maxAuthBytes }: ConnectSettings, context: TokenContext, useless: string | undefined): Promise<string> {
  const token = await askApplication(() => getToken?.(context))
  if (!token || token === useless) {
    // While the connection lives, the application may still come up with another JWT.
    throw fault('UNAUTHENTICATED', 'JWT', { retry: token && context.reason === 'refresh' ? 'later' : 'never' })
  }
  if (sizeOf(tokenFrame('refresh', token)) > maxAuthBytes) throw fault('OPTIONS', 'JWT size: maxAuthBytes')
  return token
}
