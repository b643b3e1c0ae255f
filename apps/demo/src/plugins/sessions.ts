import type { HubBus } from '@fastify-airlock/hub'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { DemoOptions } from '../config.js'
import { endOf, RENEWABLE_MS, type SessionClaims } from '../session-claims.js'
import { deviceOf, Sessions } from '../sessions.js'
import { SharedSessions } from '../shared-sessions.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The sessions of all users, on all nodes of a bus. */
    sessions: Sessions
    /** Lists a session, with the device of a request. */
    noteSession (request: FastifyRequest, claims: SessionClaims): void
    /**
     * Ends a session: its JWTs, its sockets on every node, and its unused tickets.
     *
     * @param claims of one of its JWTs
     * @param until when its last JWT expires, in milliseconds since the epoch
     */
    endSession (claims: Pick<SessionClaims, 'sub' | 'sid' | 'jti'>, until: number): Promise<void>
    /**
     * Ends all sessions of a user that have begun until now, on every node.
     *
     * @returns how many sockets of this node were closed
     */
    endSessionsOf (subject: string): Promise<number>
  }
}

/** No session has this name. With it, an order means what the user has without a session, and spares the other logins. */
const NO_SESSION = '-'

/** The list of sessions, and how one of them ends. */
export const sessionList = fp<DemoOptions>(async (fastify, { config: { sessionTtl } }) => {
  const { bus, wsHub } = fastify
  const sessions = bus === null ? new Sessions() : share(bus)
  fastify.decorate('sessions', sessions)
  fastify.addHook('onClose', async () => sessions.close())

  fastify.decorate('noteSession', ({ headers }, claims) => {
    const { sub: subject, sid: id, auth_time: loggedIn } = claims
    // A JWT of another issuer may say neither: it is valid, but not one of a list.
    if (typeof id !== 'string' || typeof loggedIn !== 'number') return
    sessions.add({ id, subject, since: loggedIn * 1_000, device: deviceOf(headers['user-agent']), until: endOf(claims, sessionTtl) })
  })

  fastify.decorate('endSession', async (claims, until) => {
    const { sub: subject, sid, jti: tokenId } = claims
    fastify.denylist.add(claims, until)
    const hasSession = typeof sid === 'string' && sid !== ''
    const session = hasSession ? sid : NO_SESSION
    fastify.wsHub.disconnect({ subject, session, ...(!hasSession && typeof tokenId === 'string' && tokenId !== '' && { tokenId }) })
    await revokeTickets({ subject, session })
  })

  fastify.decorate('endSessionsOf', async subject => {
    // Before the sockets, so that none comes back in between.
    fastify.denylist.addUser(subject, Date.now() + RENEWABLE_MS + sessionTtl)
    const disconnected = fastify.wsHub.disconnect(subject)
    await revokeTickets({ subject })
    return disconnected
  })

  /** Nodes go by the hub's names, so that the sockets of one that has died count as long as the hub takes it for alive. */
  function share (bus: HubBus): SharedSessions {
    const shared = new SharedSessions({ bus, node: wsHub.node, isUp: () => wsHub.health().bus === 'up' })
    wsHub.onNodes(({ id, state }) => { if (state === 'gone') shared.forget(id) })
    return shared
  }

  async function revokeTickets (which: { subject: string, session?: string }): Promise<void> {
    try {
      await fastify.wsTickets.revoke(which)
    } catch (error) {
      // The session is over anyway: a ticket is useless without a JWT, and soon expires.
      fastify.log.warn({ err: error }, 'outstanding tickets could not be revoked')
    }
  }
}, { name: 'demo-sessions', dependencies: ['demo-auth', 'demo-tickets'] })
