import type { ConnectionCounter, HubBus } from '@fastify-airlock/hub'

declare global {
  const cache: Map<string, string>
  const broker: { kill (): Promise<void>, restart (): Promise<void> }
  const bus: HubBus
  const MyCounter: new (url: string) => ConnectionCounter
  const MyBus: new (url: string, name: string) => HubBus & { close (): Promise<void> }
  const claims: { sid: string, jti: string }
  const id: string
  const randomUUID: typeof import('node:crypto').randomUUID
}
