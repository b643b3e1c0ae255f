import type { FastifySchemaCompiler } from 'fastify'
import * as v from 'valibot'
import { WSA_TICKET_ERR_BODY } from './errors.js'

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

/** The body of a request for a ticket. Unknown members are left out. */
const requestBody = v.nullish(v.pipe(
  v.unknown(),
  v.check(value => !Array.isArray(value), 'Expected an object'),
  v.object({ audience: v.optional(v.string()) })
))

/** What a request for a ticket may say. */
export type TicketRequestBody = v.InferOutput<typeof requestBody>

/**
 * Validates the body by what this route knows of it. The application's compiler may take only schemas of zod or TypeBox.
 */
export const validatorCompiler: FastifySchemaCompiler<unknown> = () => data => {
  const { success, output, issues } = v.safeParse(requestBody, data)
  if (success) return { value: output }
  const [issue] = issues
  return { error: new WSA_TICKET_ERR_BODY(`${v.getDotPath(issue) ?? 'body'}: ${issue.message}`) }
}

/**
 * Serializes as JSON, whatever the application's compiler makes of schemas. Fastify passes an error as such, with members
 * that JSON does not show.
 */
export const serializerCompiler = () => (data: unknown): string => {
  if (!(data instanceof Error)) return JSON.stringify(data)
  const { statusCode, code, error, message } = data as Error & { statusCode?: number, code?: string, error?: string }
  return JSON.stringify({ statusCode, code, error, message })
}
