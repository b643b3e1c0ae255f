import { refuse, serve } from '../lib/serve.js'
import { isMissingOption } from './not-everywhere.js'
import type { Settings, Started } from './settings.js'

// A server loads nothing that it does not use.
const variants: Record<string, (settings: Settings) => Promise<Started>> = {
  bare: async () => await (await import('./ws.js')).bare(),
  'bare 404': async () => await (await import('./ws.js')).bare404(),
  floor: async () => await (await import('./ws.js')).floor(),
  'fastify-websocket': async () => await (await import('./fastify.js')).fastifyWebsocket(),
  'hand-written': async settings => await (await import('./fastify.js')).handWritten(settings),
  airlock: async settings => await (await import('./airlock.js')).airlock(settings),
  express: async settings => await (await import('./express.js')).expressWs(settings),
  'socket.io': async settings => await (await import('./socket-io.js')).socketIo(settings),
  'graphql-ws': async settings => await (await import('./graphql-ws.js')).graphqlWs(settings)
}

const settings = JSON.parse(process.argv[2] as string) as Settings
try {
  const started = await (variants[settings.variant] as typeof variants[string])(settings)
  serve({
    port: () => started.port,
    connections: () => started.connections(),
    pings: () => started.pings?.() ?? 0,
    /** @returns when it began: nanoseconds on the machine's clock */
    broadcast ({ payload, times }: { payload: number, times: number }) {
      const text = 'x'.repeat(payload)
      const startedAt = Number(process.hrtime.bigint())
      started.broadcast?.(text, times)
      return startedAt
    },
    issue: async (subjects: string[]) => await Promise.all(subjects.map(async subject => await started.issue?.(subject) ?? ''))
  })
} catch (error) {
  if (isMissingOption(error)) refuse('this revision does not have the option')
  else throw error
}
