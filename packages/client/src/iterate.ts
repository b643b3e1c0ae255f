import { fault, type AirlockError } from './errors.js'
import type { Connection } from './types.js'

/**
 * Iterates over the messages of a connection from now on. What comes faster than it is taken waits, up to `limit`.
 * It ends at once when the application closes the connection; what ended the connection otherwise is thrown when
 * everything that came before has been taken, and so is `WSA_CLIENT_ERR_OVERFLOW`.
 *
 * @param limit in messages
 */
export function iterate<In> (connection: Pick<Connection<In>, 'on' | 'status' | 'error'>, limit: number): AsyncIterableIterator<In> {
  const messages: In[] = []
  const takers: Array<(result: IteratorResult<In> | Promise<never>) => void> = []
  let failure: AirlockError | null = null
  let ended = false

  const stops = [
    connection.on('message', message => {
      if (messages.length < limit || takers.length) {
        messages.push(message)
        takers.shift()?.(take())
      } else {
        end(fault('OVERFLOW'))
      }
    }),
    connection.on('status', look)
  ]
  look()

  function look (): void {
    if (connection.status === 'closed') end(connection.error)
  }

  function end (error: AirlockError | null): void {
    for (const stop of stops) stop()
    ended = true
    failure = error
    if (!error) messages.length = 0
    for (const taker of takers.splice(0)) taker(take())
  }

  function take (): IteratorResult<In> | Promise<never> {
    if (messages.length) return { done: false, value: messages.shift() as In }
    return failure ? Promise.reject(failure) : { done: true, value: undefined }
  }

  return {
    next: () => new Promise(resolve => {
      if (messages.length || ended) resolve(take())
      else takers.push(resolve)
    }),
    return () {
      end(null)
      return this.next()
    },
    [Symbol.asyncIterator] () { return this }
  }
}
