import { type ALIVE_MESSAGE, type AuthOkMessage, parseServerMessage } from '@fastify-airlock/protocol'
import { createTimer } from '../clock.js'
import { sizeOf } from '../codec.js'
import { connect } from '../connect.js'
import { fault } from '../errors.js'
import { readOptions } from '../options.js'
import type { Connection, WebSocketConstructor, WebSocketLike } from '../types.js'
import { createChannel, OVER, WANTED, type Channel, type PresenceFrame } from './channel.js'
import type { ConnectPresenceOptions, PresenceConnection } from './types.js'

/** Topics that a frame may name on a route without the second door, where the server cannot say it: its default. */
const MAX_TOPICS = 20

/** Longest topic, in characters. Of longer ones the server quotes a part when it refuses them. */
const MAX_TOPIC = 256

/** Time between two states, in milliseconds: the server's default. */
const STATE_INTERVAL = 100

/** Matches every message about presence, whose type is written without escapes, and few others. */
const PRESENCE = /"presence:/

/**
 * As {@link connect}, with a look at who is there. What is said of that goes between the client and its socket, so the application
 * sees no message of it.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket
 * @example
 * const connection = connectPresence({
 *   url: '/ws',
 *   getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', signal }),
 *   getToken: () => session.jwt
 * })
 * connection.presence('room/7', ({ users }) => { show(users) })
 */
export function connectPresence<In = unknown, Out = unknown, Base extends Connection<In, Out> = Connection<In, Out>> (
  { connect: open = connect as (options: any) => any, ...options }: ConnectPresenceOptions<In, Out, Base>
): Base & PresenceConnection<In, Out> {
  const settings = readOptions(options)
  /** By topic. */
  const channels = new Map<string, Channel>()
  let newest: WebSocketLike
  /** The socket whose server has the extension, once it is open; `null` when its server has none. */
  let live: WebSocketLike | undefined | null
  let admission: Partial<AuthOkMessage>
  const pace = createTimer()
  let isPaced: boolean | undefined
  // What has begun in this task is complete by then: topics go out together, and some have been left already.
  const ready = (): void => { queueMicrotask(pump) }

  const connection: Base = open({
    ...options,
    WebSocket: function (url: string, protocols?: string[]) {
      const socket = newest = new settings.WebSocket(url, protocols)
      const send = socket.send.bind(socket)
      let pass: NonNullable<WebSocketLike['onmessage']>
      const receive = socket.onmessage = event => {
        const { data } = event
        const frame = socket === live && readFrame(data)
        if (frame) {
          // The client has to notice that the server is there.
          if (admission.alive! > 1) pass({ data: '{"type":"alive"}' satisfies typeof ALIVE_MESSAGE })
          return channels.get(frame.topic)?.take(frame)
        }
        if (socket === newest && connection.status === 'authenticating') {
          const message = parseServerMessage(data)
          if (message?.type === 'auth_ok') opened(message)
        }
        pass(event)
      }
      // What has topics as well does the same once more.
      Object.defineProperty(socket, 'onmessage', { configurable: true, get: () => receive, set: listener => { pass = listener } })
      socket.send = data => {
        // Nothing but `auth` is sent then.
        const asked = connection.status === 'connecting' && `${data.slice(0, -1)},"presence":true}`
        send(asked && sizeOf(asked) <= settings.maxAuthBytes ? asked : data)
      }
      return socket
    } as unknown as WebSocketConstructor
  })

  function opened (allowed: Partial<AuthOkMessage>): void {
    admission = allowed
    live = allowed.presence ? newest : null
    pump()
  }

  function pump (): void {
    const over = connection.status === 'closed' ? 'CLOSED' : live === null && 'PRESENCE_OFF'
    if (over) {
      for (const [topic, channel] of channels) {
        channels.delete(topic)
        channel.end(over, { cause: connection.error })
      }
    }
    if (!live) return
    const lists = { watch: [] as string[], unwatch: [] as string[] }
    let news: Channel | undefined
    for (const [topic, channel] of channels) {
      if (!channel.listeners.size) {
        channels.delete(topic)
        if (channel.end()) lists.unwatch.push(topic)
        if (channel.state != null) say({ type: 'presence:set', topic, state: null })
      } else {
        if (channel.isNews) news ??= channel
        if (channel.step === WANTED && lists.watch.length < admission.presence!.max) {
          channel.step++
          lists.watch.push(topic)
        }
      }
    }
    if (lists.watch.length === admission.presence!.max) ready()
    for (const name of ['unwatch', 'watch'] as const) if (lists[name].length) say({ type: `presence:${name}`, topics: lists[name] })
    if (!news || isPaced) return
    news.isNews = false
    say({ type: 'presence:set', topic: news.topic, state: news.state })
    isPaced = true
    pace(STATE_INTERVAL, () => {
      isPaced = false
      pump()
    })
  }

  function say (frame: object): void {
    live!.send(JSON.stringify(frame))
  }

  connection.on('status', status => {
    if (status !== 'open') {
      live = undefined
      for (const channel of channels.values()) channel.reset()
    } else if (!settings.getToken) {
      opened({ presence: { max: MAX_TOPICS }, alive: settings.alive as number })
    }
    pump()
  })

  return Object.assign(connection, {
    presence: ((topic, listener = () => {}) => {
      if (topic.length > MAX_TOPIC) throw fault('OPTIONS', topic, { topic })
      let channel = channels.get(topic)
      if (!channel || channel.step === OVER) channels.set(topic, channel = createChannel(topic, settings, ready))
      ready()
      return channel.join(listener)
    }) as PresenceConnection['presence']
  })
}

function readFrame (data: unknown): PresenceFrame | undefined {
  try {
    if (PRESENCE.test(data as string)) {
      const frame = JSON.parse(data as string)
      if (frame.type.startsWith('presence:')) return frame
    }
  } catch {
    // Not JSON, or without a type.
  }
}
