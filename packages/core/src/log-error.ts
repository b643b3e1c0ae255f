import type { FastifyBaseLogger } from 'fastify'

/**
 * Logs what a hook of the application has thrown. Its serializer may throw, at a frozen error for example: that is no reason
 * to leave undone what follows.
 */
export function logError (log: Pick<FastifyBaseLogger, 'error'>, err: unknown, message: string): void {
  try {
    log.error({ err }, message)
  } catch {
    log.error(`${message}, by an error that cannot be logged`)
  }
}
