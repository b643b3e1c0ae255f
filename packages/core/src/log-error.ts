/** The part of a logger that writes one line. */
type Lines<Level extends string> = Record<Level, (details: object, text: string) => void>

/**
 * Logs what a hook, a store or a bus of the application has thrown. Its serializer may throw, at a frozen error for example:
 * that is no reason to leave undone what follows.
 *
 * @param details what the line says besides
 * @param level of the line
 * @default level 'error'
 */
export function logError (log: Lines<'error'>, err: unknown, message: string, details?: object): void
export function logError (log: Lines<'warn'>, err: unknown, message: string, details: object, level: 'warn'): void
export function logError (log: Partial<Lines<'error' | 'warn'>>, err: unknown, message: string, details = {}, level: 'error' | 'warn' = 'error'): void {
  const logger = log as Lines<'error' | 'warn'>
  try {
    logger[level]({ err, ...details }, message)
  } catch {
    logger[level](details, `${message}, by an error that cannot be logged`)
  }
}
