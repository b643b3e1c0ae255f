export default async fastify => {
  fastify.get('/socket', { websocket: true, preValidation: fastify.wsGuard() }, fastify.wsHandshake((socket, request) => {
    socket.send(JSON.stringify({ hello: request.wsIdentity.subject }))
  }))
}
