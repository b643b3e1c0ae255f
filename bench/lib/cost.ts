import type { Sample } from './interleave.js'
import type { Server } from './server.js'

/** CPU, user and system, of one of what is counted, in the server's own process. */
export const CPU = 'CPU, µs'
/** How many of them there were in a second. */
export const SPEED = 'per second'

/** What a load costs a server. */
export async function costOf (server: Server, count: number, load: () => Promise<unknown>): Promise<Sample> {
  await server.child.call('settle')
  const before = await server.cpu()
  const startedAt = performance.now()
  await load()
  const seconds = (performance.now() - startedAt) / 1000
  return { [CPU]: (await server.cpu() - before) / count, [SPEED]: count / seconds }
}
