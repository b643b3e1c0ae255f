import { fault, type AirlockError } from './errors.js'
import type { Connection } from './types.js'

/**
 * Iterates over the messages of a connection from now on. Messages that were not taken yet wait, up to `limit`.
 *
 * When the application closes the connection, the iteration ends at once. When the connection ends in another way, or
 * too many messages wait, the iteration first hands out what came before and then throws.
 *
 * @param limit in messages
 */
export function iterate<In> (connection: Pick<Connection<In>, 'on' | 'status' | 'error'>, limit: number): AsyncIterableIterator<In> {
  const messages: In[] = []
  const takers: Array<(result: IteratorResult<In> | Promise<never>) => void> = []
  /** `undefined` until the iteration ends. */
  let failure: AirlockError | null | undefined

  const removeListeners = [
    connection.on('message', message => {
      if (messages.length >= limit) return end(fault('OVERFLOW'))
      messages.push(message)
      hand()
    }),
    connection.on('status', endIfClosed)
  ]
  endIfClosed()

  function endIfClosed (): void {
    if (connection.status === 'closed') end(connection.error)
  }

  function end (error: AirlockError | null): void {
    for (const remove of removeListeners) remove()
    failure = error
    if (!error) messages.length = 0
    hand()
  }

  function hand (): void {
    while (takers.length) {
      if (!messages.length && failure === undefined) return
      takers.shift()!(messages.length
        ? { done: false, value: messages.shift() as In }
        : failure ? Promise.reject(failure) : { done: true, value: undefined })
    }
  }

  return {
    next: () => new Promise(resolve => {
      takers.push(resolve)
      hand()
    }),
    return () {
      end(null)
      return this.next()
    },
    [Symbol.asyncIterator] () { return this }
  }
}
