import { CloseCode } from '@fastify-airlock/protocol'

const kAsked = Symbol('airlock.logged out')

interface WithAnswer {
  [kAsked]?: true
}

/**
 * Notes which of the later close codes the client of a socket knows.
 *
 * @param final the member `final` of its `auth`
 */
export function noteFinalCodes (socket: object, final: readonly number[] | undefined): void {
  if (final?.includes(CloseCode.LOGGED_OUT)) (socket as WithAnswer)[kAsked] = true
}

/** The code that closes the socket of somebody whose login has ended: 4410 if the client has asked for it, otherwise 4403. */
export function logoutCode (socket: object): CloseCode {
  return (socket as WithAnswer)[kAsked] === true ? CloseCode.LOGGED_OUT : CloseCode.FORBIDDEN
}
