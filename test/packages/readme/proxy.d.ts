import type { UpstreamProxy } from '@fastify-airlock/proxy'

declare global {
  const proxy: UpstreamProxy
  const upstream: string
  function signFor (subject: string | undefined): Promise<string>
}
