import { once } from 'node:events'
import type { WebSocket } from 'ws'

/** A message that a client has got. */
export type Message = Record<string, any>

/** One connection with an extension of the protocol, seen from its client. */
export interface ExtensionClient {
  socket: WebSocket
  /** Everything that has come so far. */
  all: Message[]
  send (message: unknown): void
  /** Waits for the next message that fits, and takes it and those before it out. */
  next (isMeant?: (message: Message) => boolean): Promise<Message>
  /** The next message of a type. */
  of (type: string): Promise<Message>
  /** Sends a message, and returns the answer: the next one of these types about a topic. */
  ask (message: unknown, topic: string, ...types: string[]): Promise<Message>
  /** Waits until what has come fits. */
  until (fits: () => boolean): Promise<void>
  /** Resolves once everything has come that was sent before. */
  settle (): Promise<void>
  close (): Promise<void>
}

/** Follows what a socket brings from now on. */
export function extensionClient (socket: WebSocket): ExtensionClient {
  const all: Message[] = []
  const waiting: Array<() => void> = []
  let at = 0
  socket.on('message', data => {
    all.push(JSON.parse(String(data)))
    for (const wake of waiting.splice(0)) wake()
  })
  const more = async (): Promise<void> => await new Promise(resolve => { waiting.push(resolve) })
  const client: ExtensionClient = {
    socket,
    all,
    send: message => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async next (isMeant = () => true) {
      while (true) {
        while (at < all.length) {
          const message = all[at++] as Message
          if (isMeant(message)) return message
        }
        await more()
      }
    },
    of: type => client.next(message => message.type === type),
    async ask (message, topic, ...types) {
      client.send(message)
      return await client.next(answer => types.includes(answer.type) && answer.topic === topic)
    },
    async until (fits) {
      while (!fits()) await more()
    },
    async settle () {
      socket.ping()
      await once(socket, 'pong')
    },
    async close () {
      socket.close()
      await once(socket, 'close')
    }
  }
  return client
}
