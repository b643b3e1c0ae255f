import '@fastify/auth'
import type { FastifyRequest } from 'fastify'

declare global {
  const hasKey: (request: FastifyRequest) => Promise<void>
  const sessions: { find (cookie: string | undefined): Promise<{ id: string, role: 'admin' | 'user' } | undefined> }
}
