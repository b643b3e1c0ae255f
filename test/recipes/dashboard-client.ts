import type { TopicsConnection } from '@fastify-airlock/client/topics'

export type Figures = Readonly<Record<string, number>>

/**
 * Shows all figures, and each change of one. The client calls `load` at the start and whenever it has missed changes, and holds back
 * meanwhile what comes.
 *
 * @param request `fetch`, with your login
 */
export function watchDashboard (
  connection: TopicsConnection, request: (path: string, options: { signal: AbortSignal }) => Promise<Response>, show: (figures: Figures) => void
) {
  let figures: Figures = {}
  return connection.subscribe<{ name: string, value: number }>('dashboard', {
    async load ({ signal }) {
      const response = await request('/dashboard', { signal })
      // With its status the client knows whether to try again.
      if (!response.ok) throw Object.assign(new Error('No snapshot'), { status: response.status })
      const snapshot = await response.json() as { figures: Figures }
      show(figures = snapshot.figures)
      // Changes up to its position are in it.
      return snapshot
    },
    onMessage ({ data: { name, value } }) { show(figures = { ...figures, [name]: value }) }
  })
}
