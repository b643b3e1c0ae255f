export {}

declare global {
  const sessions: { find (cookie: string | undefined): Promise<{ id: string, role: 'admin' | 'user' } | undefined> }
}
