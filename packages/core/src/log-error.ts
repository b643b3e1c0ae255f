import type { FastifyBaseLogger } from 'fastify'

/**
 * Logs what a function of the application has thrown. Its serializer may throw, at a frozen error for example: that is no reason
 * to leave undone what follows.
 *
 * @param details what the line says besides, such as the topic
 */
export function logError (log: Pick<FastifyBaseLogger, 'error'>, err: unknown, message: string, details: object = {}): void {
  try {
    log.error({ err, ...details }, message)
  } catch {
    log.error(details, `${message}, by an error that cannot be logged`)
  }
}
