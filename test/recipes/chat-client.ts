import type { Position, TopicsConnection } from '@fastify-airlock/client/topics'

/** What is said in a room. */
export interface Said {
  from: string
  text: string
}

/** What a page shows of a room. */
export interface RoomView {
  said (message: Said): void
  typing (user: string): void
  /** What was said before is not known any more. */
  gap (): void
  /** The user was removed from the room, or the connection is over. */
  left (): void
}

/**
 * Enters a room. What is said while the connection is lost comes when it is back, and what the user says meanwhile is said then, once.
 *
 * @param since where to begin, from `GET /rooms/:room`
 */
export function enterRoom (connection: TopicsConnection, room: string, since: Position | undefined, view: RoomView) {
  const topic = `room/${room}`
  const said = connection.subscribe<Said>(topic, {
    since,
    onMessage: ({ data }) => { view.said(data) },
    onSubscribed: ({ recovered }) => { if (recovered === false) view.gap() },
    onEnd: () => { view.left() }
  })
  const typing = connection.subscribe<{ from: string }>(`${topic}/typing`, ({ data }) => { view.typing(data.from) })
  return {
    say: async (from: string, text: string) => await connection.publish(topic, { from, text }),
    // Later it is not true any more.
    type: async (from: string) => { await connection.publish(`${topic}/typing`, { from }, { timeout: 2_000 }).catch(() => {}) },
    leave () {
      said.unsubscribe()
      typing.unsubscribe()
    }
  }
}
