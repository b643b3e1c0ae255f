import type { FastifyBaseLogger } from 'fastify'

/**
 * Logs what a hook, a store or a bus of the application has thrown. Its serializer may throw, at a frozen error for example:
 * that is no reason to leave undone what follows.
 *
 * @param details what the line says besides
 * @param level of the line
 * @default level 'error'
 */
export function logError<Level extends 'error' | 'warn' = 'error'> (
  log: Pick<FastifyBaseLogger, Level>, err: unknown, message: string, details: object = {}, level: Level = 'error' as Level
): void {
  try {
    log[level]({ err, ...details }, message)
  } catch {
    log[level](details, `${message}, by an error that cannot be logged`)
  }
}
