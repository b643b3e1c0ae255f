import { connect } from '@fastify-airlock/client'
import { connectTopics } from '@fastify-airlock/client/topics'
import { createSigner } from 'fast-jwt'
import { WebSocket } from 'ws'
import { request } from '../cluster/https.js'
import { CERTIFICATE } from '../cluster/proxy.js'
import type { Ledger, Position } from './ledger.js'
import { seeded, shuffled } from './random.js'
import { TOPICS, TOPICS_EACH } from './settings.js'

/** A client of the chaos. */
export interface Client {
  readonly name: string
  readonly topics: readonly string[]
  /** How often it was open. */
  opened: number
  isOpen (): boolean
  /** Breaks its connection without a word. */
  cut (): void
  /** Publishes, as a client may with the plugin. */
  publish (topic: string, data: unknown): Promise<{ position: Position | undefined }>
  close (): void
}

/** Where clients come from. */
export interface ClientSettings {
  ledger: Ledger
  /** `https://host:port` of the proxy. */
  origin: string
  secret: string
  seed: number
  /** Whether it has topics, or is put into them by the server. */
  hasTopics: boolean
}

/** What is published: the id that the ledger knows. */
interface Data { id: string }

/** A client that comes through the proxy and both doors, and back again. */
export function startClient (index: number, { ledger, origin, secret, seed, hasTopics }: ClientSettings): Client {
  const random = seeded(seed * 1_000 + index)
  const name = `client ${index}`
  const topics = shuffled(TOPICS, random).slice(0, TOPICS_EACH)
  const token = createSigner({ key: secret, expiresIn: 7_200_000 })({ sub: name, sid: `session of ${name}` })
  let socket: WebSocket | undefined

  const options = {
    url: `${origin.replace('http', 'ws')}/ws${hasTopics ? '' : `?topics=${topics.join(',')}`}`,
    getTicket: async () => {
      const { status, headers, json } = await request(`${origin}/ws/ticket`, { method: 'POST', token })
      return new Response(status === 201 ? JSON.stringify(json()) : null, {
        status, headers: { 'content-type': 'application/json', ...(headers['retry-after'] !== undefined && { 'retry-after': '1' }) }
      })
    },
    getToken: () => token,
    reconnect: { min: 100, max: 2_000 },
    random,
    WebSocket: class extends WebSocket {
      constructor (url: string, protocols?: string[]) {
        super(url, protocols, { ca: CERTIFICATE, perMessageDeflate: false })
        socket = this
      }
    } as never
  }
  const client: Client = {
    name,
    topics,
    opened: 0,
    isOpen: () => connection.status === 'open',
    cut: () => socket?.terminate(),
    publish: async () => { throw new Error('no topics') },
    close: () => connection.close()
  }
  const listeners = new Map(topics.map(topic => [topic, ledger.listen(topic, name)]))
  const connection = hasTopics ? withTopics() : connect(options)
  connection.on('status', status => {
    if (status === 'open') client.opened++
    if (status === 'closed' && connection.error !== null) ledger.violation(`${name} has ended: ${connection.error.message}`)
  })

  function withTopics () {
    const connection = connectTopics(options)
    for (const [topic, listener] of listeners) {
      connection.subscribe<Data>(topic, {
        onSubscribed: ({ position, recovered }) => listener.subscribed(position, recovered),
        onMessage: ({ data, position }) => listener.message(data.id, position),
        onEnd: error => ledger.violation(`${name} has lost ${topic}: ${error.message}`)
      })
    }
    client.publish = async (topic, data) => await connection.publish(topic, data, { timeout: 100_000 })
    return connection
  }

  if (!hasTopics) {
    connection.on('message', data => {
      const { id, topic } = data as unknown as Data & { topic: string }
      listeners.get(topic)?.message(id, undefined)
    })
    connection.on('open', () => { for (const listener of listeners.values()) listener.subscribed(undefined, true) })
  }
  return client
}
