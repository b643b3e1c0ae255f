const error = (description: string) => ({
  description,
  type: 'object',
  properties: {
    statusCode: { type: 'integer' },
    code: { type: 'string' },
    error: { type: 'string' },
    message: { type: 'string' }
  },
  // The application's error handler may add members.
  additionalProperties: true
})

/**
 * Makes the JSON schema of the route. @fastify/swagger shows it as well.
 *
 * @param audiences what a request may name
 * @param security the OpenAPI security requirement, if any
 */
export function routeSchema (audiences: string[], security: Array<Record<string, string[]>> | undefined) {
  return {
    tags: ['websocket'],
    summary: 'Issue a ticket for a WebSocket upgrade',
    description: 'The ticket is good for one upgrade and expires soon. Offer it as the subprotocol `ticket.<ticket>`, next to `protocol`.',
    ...(security && { security }),
    body: {
      // Null is no body at all.
      type: ['object', 'null'],
      properties: {
        audience: { type: 'string', description: `Where the ticket is to be used: ${audiences.join(', ')}` }
      },
      additionalProperties: false
    },
    response: {
      201: {
        description: 'The ticket',
        type: 'object',
        required: ['ticket', 'expiresIn', 'protocol'],
        properties: {
          ticket: { type: 'string', pattern: '^[A-Za-z0-9_-]{43}$' },
          expiresIn: { type: 'integer', description: 'Seconds until it expires' },
          protocol: { type: 'string', description: 'The subprotocol to offer with it' }
        }
      },
      400: error('The body is malformed, or names an unknown audience'),
      401: error('Not signed in'),
      429: error('Too many requests'),
      503: error('The store does not answer or is full; see Retry-After')
    }
  }
}
