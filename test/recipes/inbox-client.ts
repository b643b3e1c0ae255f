import type { TopicsConnection } from '@fastify-airlock/client/topics'

/** A notification as the server has it. */
interface Notification {
  id: string
  text: string
}

/**
 * Shows what a user has not read, on each of their devices.
 *
 * @param request `fetch`, with your login
 */
export function openInbox (
  connection: TopicsConnection, user: string, request: (path: string, options: RequestInit) => Promise<Response>, show: (unread: Notification[]) => void
) {
  const unread = new Map<string, Notification>()
  const fill = (all: Notification[]): void => {
    unread.clear()
    for (const notification of all) unread.set(notification.id, notification)
  }
  const subscription = connection.subscribe<{ type: 'new', notification: Notification } | { type: 'read', id: string }>(`inbox/${user}`, {
    async load ({ signal }) {
      const response = await request('/inbox', { signal })
      if (!response.ok) throw Object.assign(new Error('No inbox'), { status: response.status })
      const snapshot = await response.json() as { unread: Notification[] }
      fill(snapshot.unread)
      show([...unread.values()])
      return snapshot
    },
    onMessage ({ data }) {
      if (data.type === 'new') unread.set(data.notification.id, data.notification)
      else unread.delete(data.id)
      show([...unread.values()])
    }
  })
  return {
    read: async (id: string) => await request(`/inbox/${encodeURIComponent(id)}/read`, { method: 'POST' }),
    close () { subscription.unsubscribe() }
  }
}
