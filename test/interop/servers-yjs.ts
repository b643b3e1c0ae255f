import { identityOf } from '@fastify-airlock/guard'
import { Hocuspocus } from '@hocuspocus/server'
import { setupWSConnection } from '@y/websocket-server/utils'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Whose documents these are: everybody has those that begin with their own name. */
const mayOpen = (request: object, document: string): boolean => document.startsWith(`${identityOf(request)?.subject}-`)

const hocuspocus = new Hocuspocus({
  quiet: true,
  async onConnect ({ request, documentName }) {
    if (!mayOpen(request, documentName)) throw new Error('Not authorized')
  }
})

export async function yjsRoutes (scope: FastifyInstance): Promise<void> {
  const preValidation = scope.wsGuard()
  // y-websocket appends the name of the document to the path.
  const mine = async (request: FastifyRequest): Promise<void> => {
    if (!mayOpen(request, (request.params as { document: string }).document)) throw Object.assign(new Error('Not yours'), { statusCode: 403 })
  }
  scope.get('/yjs/:document', { websocket: true, preValidation, preHandler: mine }, (socket, { raw, params }) => {
    setupWSConnection(socket, raw, { docName: (params as { document: string }).document })
  })
  scope.get('/hocuspocus', { websocket: true, preValidation }, (socket, { raw }) => {
    hocuspocus.handleConnection(socket, raw)
  })
}
