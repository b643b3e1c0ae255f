export {}

declare global {
  const bus: import('@fastify-airlock/hub').HubBus
  const sessions: {
    find (token: string, options: { signal: AbortSignal }): Promise<{ userId: string, role: 'admin' | 'user', expiresAt: number } | null>
  }
}
