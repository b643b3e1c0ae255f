import { askApplication } from './application.js'
import { sizeOf } from './codec.js'
import { fault } from './errors.js'
import type { ConnectSettings, TokenContext } from './options.js'

/**
 * Builds the control message that carries a JWT.
 *
 * @param asked what `auth` asks for. It is left out of a message that would be too long
 */
export function tokenFrame (type: 'auth' | 'refresh', token: string, asked?: object, maxAuthBytes?: number): string {
  const frame = JSON.stringify({ type, token, ...asked })
  return sizeOf(frame) > maxAuthBytes! ? tokenFrame(type, token) : frame
}

/**
 * Asks the application for a JWT.
 *
 * @param useless a JWT that will not do again
 * @throws AirlockError when there is none, when it is `useless`, or when it does not fit into a control message of `maxAuthBytes`
 */
export async function askToken (settings: ConnectSettings, context: TokenContext, useless: string | undefined): Promise<string> {
  const token = await askApplication(context => settings.getToken?.(context), context)
  if (!token || token === useless) {
    // While the connection lives, the application may still come up with another JWT.
    throw fault('UNAUTHENTICATED', 'JWT', { retry: token && context.reason === 'refresh' ? 'later' : 'never' })
  }
  if (sizeOf(tokenFrame('refresh', token)) > settings.maxAuthBytes) throw fault('OPTIONS', 'maxAuthBytes')
  return token
}
