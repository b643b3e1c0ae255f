import type { ProtocolUser } from '@fastify-airlock/protocol'

declare global {
  function application (data: string): void
  function ready (user: ProtocolUser): void
  function reconnect (): void
  function refresh (): void
  function signIn (): void
}
