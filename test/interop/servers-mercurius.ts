import { guardScope, identityOf } from '@fastify-airlock/guard'
import type { FastifyInstance } from 'fastify'
import mercurius from 'mercurius'

interface Context {
  user: string | undefined
}

export async function mercuriusRoutes (scope: FastifyInstance): Promise<void> {
  // Before mercurius declares its routes. Plain HTTP requests pass.
  guardScope(scope, { protocols: ['graphql-transport-ws'] })
  await scope.register(mercurius, {
    path: '/mercurius',
    schema: 'type Query { me: String } type Subscription { me: String }',
    resolvers: {
      Subscription: {
        me: {
          subscribe: async function * (_root: unknown, _args: unknown, { user }: Context) {
            yield { me: user }
          }
        }
      }
    } as never,
    subscription: { context: (_socket, request) => ({ user: identityOf(request)?.subject }) as never }
  })
}
