export {}

declare global {
  const sessions: {
    find (token: string, options: { signal: AbortSignal }): Promise<{ userId: string, role: 'admin' | 'user', expiresAt: number } | null>
  }
}
