import { buildAuthority } from '@fastify-airlock/authority'
import { buildUpstream } from '@fastify-airlock/upstream'
import { randomBytes } from 'node:crypto'
import type { DemoConfig } from './config.js'
import { authorityUrls, upstreamUrls } from './external-config.js'

/** The systems that {@link startStandIns} started. */
export interface StandIns {
  /** The configuration, completed with their addresses. */
  config: DemoConfig
  /** What was started and where, one line each for the log. */
  started: string[]
  close (): Promise<void>
}

/** Lifetime of a token of the authority's stand-in, in seconds. */
const TOKEN_SECONDS = 15 * 60

/** Starts a stand-in for each system that is not configured, on a free port of the loopback address. */
export async function startStandIns (config: DemoConfig): Promise<StandIns> {
  const complete = { ...config }
  const started: string[] = []
  const closers: Array<() => Promise<void>> = []
  // Their routine messages do not belong in the demo's log.
  const logLevel = 'error'

  if (config.authority === undefined) {
    const authority = await buildAuthority({ client: config.authorityClient, tokenTtl: TOKEN_SECONDS, logLevel })
    const origin = await authority.listen({ host: '127.0.0.1', port: 0 })
    complete.authority = authorityUrls(`${origin}/introspect`)
    started.push(`the authority of external tokens is a stand-in at ${origin}`)
    closers.push(() => authority.close())
  }
  if (config.upstream === undefined) {
    complete.upstreamToken ??= randomBytes(32).toString('base64url')
    const upstream = await buildUpstream({ token: complete.upstreamToken, logLevel })
    const origin = await upstream.listen({ host: '127.0.0.1', port: 0 })
    complete.upstream = upstreamUrls(`${origin.replace('http', 'ws')}/ws`)
    started.push(`the upstream is a stand-in at ${origin}`)
    closers.push(() => upstream.close())
  }
  return {
    config: complete,
    started,
    async close () { await Promise.all(closers.map(close => close())) }
  }
}
