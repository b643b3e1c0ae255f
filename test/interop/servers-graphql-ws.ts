import { identityOf } from '@fastify-airlock/guard'
import type { FastifyInstance } from 'fastify'
import { buildSchema } from 'graphql'
import { makeHandler } from 'graphql-ws/use/@fastify/websocket'

interface Context {
  user: string | undefined
}

const schema = buildSchema('type Query { me: String }')

const handler = makeHandler({
  schema,
  roots: { query: { me: (_args: unknown, { user }: Context) => user } },
  context: ({ extra }): { user: string | undefined } => ({ user: identityOf(extra.request)?.subject })
})

export async function graphqlRoutes (scope: FastifyInstance): Promise<void> {
  const preValidation = scope.wsGuard({ protocols: ['graphql-transport-ws'] })
  scope.get('/graphql', { websocket: true, preValidation }, handler)
}
