import type { Test } from 'tap'
import type { ConnectOptions, Events } from '../src/index.js'
import { connectTopics, type Position, type SubscribeOptions, type TopicsConnection } from '../src/topics/index.js'
import { type FakeSocket, fakes, jwt } from './helpers.js'

/** A position of the epoch `e`. */
export const at = (offset: number, epoch = 'e'): Position => ({ epoch, offset })

/** Waits until all microtasks are done. */
export const tick = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })

/** The frames about topics that a socket was sent. */
export const frames = (socket: FakeSocket): any[] => socket.sent.map(text => JSON.parse(text as string)).filter(frame => /^topic:/.test(frame.type))

/** Takes those frames away, and returns them. */
export async function taken (socket: FakeSocket): Promise<any[]> {
  await tick()
  const all = frames(socket)
  socket.sent.length = 0
  return all
}

/** The server answers 101 and `auth_ok`, with topics. */
export function admit (socket: FakeSocket, members: object = {}): FakeSocket {
  return socket.accept().say({ type: 'auth_ok', user: { id: 'alice' }, expiresAt: 1e15, topics: { max: 3 }, ...members })
}

/** The server confirms a subscription. */
export function confirm (socket: FakeSocket, topic: string, members: object = {}): FakeSocket {
  return socket.say({ type: 'topic:subscribed', topic, position: at(0), ...members })
}

/** The server sends a message of a topic. */
export function message (socket: FakeSocket, topic: string, offset: number, data: unknown = offset): FakeSocket {
  return socket.say({ type: 'topic:message', topic, position: at(offset), data })
}

/** A connection with topics over fake sockets. It waits for half of 4, 8, 16 ms ... between attempts. */
export function build (t: Test, options: Partial<ConnectOptions<any, any>> = {}) {
  const sockets = fakes()
  const connection: TopicsConnection<any, any> = connectTopics({
    url: 'ws://server.test/ws',
    getToken: () => jwt('alice'),
    reconnect: { min: 4, max: 1000 },
    random: () => 0.5,
    WebSocket: sockets.WebSocket,
    ...options
  })
  t.teardown(() => { connection.close() })
  const errors: Array<Events<any>['error']> = []
  connection.on('error', error => { errors.push(error) })
  return { connection, sockets, errors }
}

/** Like {@link build}, but open. */
export async function open (t: Test, options: Partial<ConnectOptions<any, any>> = {}, members: object = {}) {
  const built = build(t, options)
  const socket = admit(await built.sockets.next(), members)
  return { ...built, socket }
}

/** Everything that a subscriber is told, in order. */
export function heard (more: SubscribeOptions<any> = {}) {
  const all: unknown[] = []
  const handlers: SubscribeOptions<any> = {
    onMessage: ({ data }) => { all.push(data) },
    onSubscribed: ({ position, recovered }) => { all.push(['subscribed', position?.offset, recovered]) },
    onEnd: ({ code, reason }) => { all.push(['end', code, reason]) },
    ...more
  }
  return { all, handlers, take: () => all.splice(0) }
}

/** Waits for a condition that no event announces. */
export async function eventually (condition: () => unknown): Promise<void> {
  for (const end = Date.now() + 30_000; !condition(); await new Promise(resolve => setTimeout(resolve, 2))) {
    if (Date.now() > end) throw new Error(`never: ${condition}`)
  }
}
