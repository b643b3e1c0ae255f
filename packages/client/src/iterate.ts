import { AirlockError } from './errors.js'
import type { Connection } from './types.js'

/**
 * Iterates over the messages of a connection from now on. What comes faster than it is taken waits, up to `limit`.
 * It ends at once when the application closes the connection; what ended the connection otherwise is thrown when
 * everything that came before has been taken, and so is `WSA_CLIENT_ERR_OVERFLOW`.
 *
 * @param limit in messages
 */
export function iterate<In> (connection: Pick<Connection<In>, 'on' | 'status' | 'error'>, limit: number): AsyncIterableIterator<In> {
  const buffer: In[] = []
  const takers: Array<{ resolve: (result: IteratorResult<In>) => void, reject: (error: unknown) => void }> = []
  let failure: AirlockError | null = null
  let ended = false

  const stops = [
    connection.on('message', message => {
      const taker = takers.shift()
      if (taker !== undefined) taker.resolve({ done: false, value: message })
      else if (buffer.length < limit) buffer.push(message)
      else end(new AirlockError('WSA_CLIENT_ERR_OVERFLOW', 'Messages come faster than they are taken'))
    }),
    connection.on('status', settle)
  ]
  settle()

  function settle (): void {
    if (connection.status === 'closed') end(connection.error)
  }

  function end (error: AirlockError | null): void {
    ended = true
    for (const stop of stops) stop()
    if (error === null) buffer.length = 0
    failure = error
    for (const taker of takers.splice(0)) next().then(taker.resolve, taker.reject)
  }

  async function next (): Promise<IteratorResult<In>> {
    if (buffer.length > 0) return { done: false, value: buffer.shift() as In }
    if (failure !== null) {
      const error = failure
      failure = null
      throw error
    }
    if (ended) return { done: true, value: undefined }
    return await new Promise((resolve, reject) => { takers.push({ resolve, reject }) })
  }

  return {
    next,
    async return () {
      end(null)
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator] () { return this }
  }
}
