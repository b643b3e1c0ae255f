import { identityOf } from '@fastify-airlock/guard'
import { Aedes, type AuthenticateError, type Client } from 'aedes'
import type { FastifyInstance } from 'fastify'
import type { IncomingMessage } from 'node:http'
import { createWebSocketStream } from 'ws'

const identityOfClient = (client: Client | null) => identityOf((client as { req?: IncomingMessage } | null)?.req)

export async function mqttRoutes (scope: FastifyInstance): Promise<void> {
  const broker = await Aedes.createBroker({
    authenticate (client, _username, _password, done) {
      // Name and password say nothing: the ticket has said who it is.
      const isKnown = identityOfClient(client) !== null
      done(isKnown ? null : Object.assign(new Error('Not authorized'), { returnCode: 5 }) as AuthenticateError, isKnown)
    },
    authorizePublish (client, { topic }, done) {
      done(isOwn(client, topic) ? null : new Error('Not authorized'))
    },
    authorizeSubscribe (client, subscription, done) {
      done(null, isOwn(client, subscription.topic) ? subscription : null)
    }
  })
  scope.addHook('preClose', done => { broker.close(done) })
  scope.get('/mqtt', { websocket: true, preValidation: scope.wsGuard({ protocols: ['mqtt'] }) }, (socket, request) => {
    broker.handle(createWebSocketStream(socket) as never, request.raw)
  })
}

/** Everybody has the topics below their own name. */
function isOwn (client: Client | null, topic: string): boolean {
  return topic.startsWith(`users/${identityOfClient(client)?.subject}/`)
}
