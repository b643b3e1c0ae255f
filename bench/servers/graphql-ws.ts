import { createSecretKey } from 'node:crypto'
import { createServer } from 'node:http'
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import jwt from 'jsonwebtoken'
import { WebSocketServer } from 'ws'
import type { Settings, Started } from './settings.js'
import { portOf } from './ws.js'

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { hello: { type: GraphQLString, resolve: () => 'world' } } })
})

/** graphql-ws, which verifies the JWT of `connection_init`. */
export async function graphqlWs ({ keys }: Settings): Promise<Started> {
  const key = createSecretKey(Buffer.from(keys.public))
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  useServer({
    schema,
    onConnect ({ connectionParams }) {
      try {
        jwt.verify(String(connectionParams?.token), key, { algorithms: ['HS256'] })
        return true
      } catch {
        return false
      }
    }
  }, sockets)
  return { port: await portOf(server), connections: () => sockets.clients.size }
}
