import { type ALIVE_MESSAGE, type AuthOkMessage, type MessageRate, parseServerMessage, type TopicsOffer } from '@fastify-airlock/protocol'
import { createTimer, now } from '../clock.js'
import { sizeOf } from '../codec.js'
import { connect } from '../connect.js'
import { createEmitter } from '../emitter.js'
import { BURST_SHARE } from '../limits.js'
import { readOptions, type ConnectOptions } from '../options.js'
import type { Events, WebSocketConstructor, WebSocketLike } from '../types.js'
import { createChannel, type Channel } from './channel.js'
import { readFrame } from './frames.js'
import { createPublish, type Publication } from './publication.js'
import { ASKED, LIVE, topicFault, WANTED, type RequestHost } from './request.js'
import type { TopicsConnection } from './types.js'

/**
 * Topics that a frame names at most: the server's default, where it cannot say how many, and few enough for its largest message
 * where it says more.
 */
const MAX_TOPICS = 100

/** Longest topic, in characters. Of longer ones the server quotes a part when it refuses them. */
const MAX_TOPIC = 256

/**
 * As {@link connect}, with topics. What is said of them goes between the client and its socket, so the application sees no
 * message of theirs.
 *
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_OPTIONS` when an option cannot be used
 * @throws {@link AirlockError} `WSA_CLIENT_ERR_NO_WEBSOCKET` when there is no WebSocket
 * @example
 * const connection = connectTopics({
 *   url: '/ws',
 *   getTicket: ({ signal }) => fetch('/ws/ticket', { method: 'POST', signal }),
 *   getToken: () => session.jwt
 * })
 * connection.subscribe('news', ({ data }) => { show(data) })
 */
export function connectTopics<In = unknown, Out = unknown> (options: ConnectOptions<In, Out>): TopicsConnection<In, Out> {
  const settings = readOptions(options)
  const errors = createEmitter<Pick<Events<In>, 'error'>>()
  const host: RequestHost = {
    ...settings,
    // What has begun in this task is complete by then: subscriptions go out together, and some have ended already.
    ready () { queueMicrotask(pump) },
    // What has ended the connection is told by the connection.
    report (error) { if (connection.status !== 'closed') errors.emit('error', error) }
  }
  /** By topic and by id. */
  const requests = new Map<string, Channel | Publication>()
  let newest: WebSocketLike
  /** The socket whose server has topics, once it is open; `null` when its server has none. */
  let live: WebSocketLike | undefined | null
  let admission: Partial<AuthOkMessage>
  /** The server's limit of messages, as {@link connect} counts it for those of the application alone. */
  const pace = createTimer()
  let paidUntil: number
  let interval: number
  let slack: number

  const connection = connect<In, Out>({
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
          return requests.get(frame.id ?? frame.topic)?.take(frame)
        }
        if (socket === newest && connection.status === 'authenticating') {
          const message = parseServerMessage(data)
          if (message?.type === 'auth_ok') opened(message)
        }
        pass(event)
      }
      Object.defineProperty(socket, 'onmessage', { get: () => receive, set: listener => { pass = listener } })
      socket.send = data => {
        // Nothing but `auth` is sent then.
        const asked = connection.status === 'connecting' && `${data.slice(0, -1)},"topics":true}`
        send(asked && sizeOf(asked) <= settings.maxAuthBytes ? asked : data)
        paidUntil = Math.max(paidUntil, now()) + interval
      }
      return socket
    } as unknown as WebSocketConstructor
  })
  const { on } = connection

  function opened (allowed: Partial<AuthOkMessage>): void {
    admission = allowed
    live = allowed.topics ? newest : null
    const { perSecond, burst } = Object(allowed.messageRate) as MessageRate
    interval = perSecond > 0 && burst >= 1 ? 1_000 / perSecond : 0
    slack = (burst - 1) * BURST_SHARE * interval
    paidUntil = 0
    pump()
  }

  function next (): string | undefined {
    const gone: string[] = []
    const wanted: Channel[] = []
    let publication: Publication | undefined
    // Those behind one that is under way wait, or they would overtake it when the server puts it off.
    const blocked = new Set<string>()
    for (const [key, request] of requests) {
      const { state } = request
      if ('topic' in request) {
        if (state === WANTED && !blocked.has(request.topic)) publication ??= request
        blocked.add(request.topic)
      } else if (request.subscribers.size) {
        if (state === WANTED && !(wanted.length >= MAX_TOPICS || wanted.length >= admission.topics!.max)) wanted.push(request)
      } else if (state !== ASKED) {
        requests.delete(key)
        request.reset()
        if (state === LIVE) gone.push(key)
      }
    }
    if (gone.length) return JSON.stringify({ type: 'topic:unsubscribe', topics: gone })
    return wanted.length ? JSON.stringify({ type: 'topic:subscribe', topics: wanted.map(channel => channel.ask()) }) : publication?.ask()
  }

  function pump (): void {
    const over = connection.status === 'closed' ? 'CLOSED' : live === null && 'TOPICS_OFF'
    if (over) for (const request of requests.values()) request.end(over, { cause: connection.error })
    const socket = live
    if (!socket) return
    for (;;) {
      const wait = paidUntil - now() - slack
      if (wait > 0) return pace(wait, pump)
      const frame = next()
      if (!frame) return
      socket.send(frame)
    }
  }

  on('status', status => {
    if (status !== 'open') {
      live = undefined
      for (const request of requests.values()) request.reset()
    } else if (!settings.getToken) {
      opened({ topics: {} as TopicsOffer, alive: settings.alive as number })
    }
    pump()
  })

  return Object.assign(connection, {
    on: ((name: keyof Events<In>, listener: (event: any) => void) => {
      const stop = on(name, listener)
      const stopErrors = errors.on(name as 'error', listener)
      return () => {
        stop()
        stopErrors()
      }
    }) as typeof on,
    subscribe: ((topic, listener = {}) => {
      if (topic.length > MAX_TOPIC) throw topicFault('OPTIONS', topic)
      const channel = requests.get(topic) as Channel ?? createChannel(topic, host)
      requests.set(topic, channel)
      return channel.subscribe(typeof listener === 'function' ? { onMessage: listener } : listener)
    }) as TopicsConnection['subscribe'],
    publish: createPublish(host, requests)
  })
}
