import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

// Below the ports that operating systems give out by themselves: nobody is handed one of these before the server of a
// test listens on it, or while that server is away.
const FIRST = 20_000
const LAST = 32_767

/** A port of 127.0.0.1 that nobody listens on, and that nobody is given by chance. */
export async function freePort (): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST + 1)
    const server = createServer().listen(port, '127.0.0.1')
    try {
      await once(server, 'listening')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
      throw error
    }
    server.close()
    await once(server, 'close')
    return port
  }
}
