import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { type ClientOptions, WebSocket } from 'ws'
import { WSA_TESTING_ERR_NO_INJECT, WSA_TESTING_ERR_REFUSED } from './errors.js'

/** The part of a Fastify instance that is used. */
export interface TestApp {
  readonly server: object
  /** Of `@fastify/jwt`, if it is there. */
  readonly jwt?: unknown
  ready (): unknown
  inject (options: any): any
  listen (options: any): unknown
  close (): unknown
}

/**
 * How devices reach a server. `'memory'`: HTTP over a pair of streams in this process, through the parser of the server; it needs no port.
 * `'injectWS'`: the same by `app.injectWS` of `@fastify/websocket`, with its limits: a refusal has a status and nothing else, and no
 * subprotocol is seen. `'port'`: TCP, on a free port of this machine.
 */
export type Transport = 'memory' | 'injectWS' | 'port'

/** A request. */
export interface Outgoing {
  method: string
  headers: Record<string, string>
  body: string | undefined
  /** Where the server sees it come from, unless it comes over TCP. */
  address: string
}

/** An upgrade. */
export interface Upgrade {
  path: string
  protocols: string[]
  headers: Record<string, string>
  address: string
  /** The port to connect to in place of the server's, such as that of a relay. */
  port: number | undefined
  /** Called with the socket before anything can have come. */
  attach: (socket: WebSocket) => void
}

/** How a server is reached. */
export interface Reach {
  /** What stands before a path. */
  readonly origin: string
  readonly port: number | null
  fetch (path: string, request: Outgoing): Promise<Response>
  /** @throws {@link WSA_TESTING_ERR_REFUSED} when there is no 101 */
  open (upgrade: Upgrade): Promise<void>
  /** The constructor of a WebSocket that goes this way. */
  readonly WebSocket: new (url: string, protocols?: string | string[]) => WebSocket
}

/** The name of a server in memory. */
const HOST = 'localhost'

/** Makes a server ready to be reached. */
export async function reach (app: TestApp, transport: Transport): Promise<Reach> {
  if (transport === 'port') {
    await app.listen({ port: 0, host: '127.0.0.1' })
    return overPort(app)
  }
  await app.ready()
  return transport === 'memory' ? inMemory(app) : byInjectWS(app)
}

function overPort (app: TestApp): Reach {
  const { port } = (app.server as { address (): AddressInfo }).address()
  const origin = `http://127.0.0.1:${port}`
  return {
    origin,
    port,
    fetch: async (path, { method, headers, body }) => await fetch(origin + path, { method, headers, redirect: 'manual', ...body !== undefined && { body } }),
    open: async ({ path, protocols, headers, port: other = port, attach }) => {
      await opened(path, new WebSocket(`ws://127.0.0.1:${other}${path}`, protocols, { headers, perMessageDeflate: false }), attach)
    },
    WebSocket
  }
}

function inMemory (app: TestApp): Reach {
  const dial = (address: string) => (): Duplex => connectInMemory(app, address)
  return {
    origin: `http://${HOST}`,
    port: null,
    fetch: async (path, request) => await inject(app, path, request),
    open: async ({ path, protocols, headers, address, attach }) => {
      await opened(path, new WebSocket(`ws://${HOST}${path}`, protocols, options(headers, dial(address))), attach)
    },
    WebSocket: class extends WebSocket {
      constructor (url: string, protocols?: string | string[]) {
        super(url, protocols, options({}, dial('127.0.0.1')))
      }
    }
  }
}

function options (headers: Record<string, string>, createConnection: () => Duplex): ClientOptions {
  return { headers, perMessageDeflate: false, createConnection: createConnection as unknown as NonNullable<ClientOptions['createConnection']> }
}

function byInjectWS (app: TestApp): Reach {
  const { injectWS } = app as { injectWS?: (path: string, context: object, options: object) => Promise<WebSocket> }
  if (injectWS === undefined) throw new WSA_TESTING_ERR_NO_INJECT()
  return {
    ...inMemory(app),
    open: async ({ path, protocols, headers, attach }) => {
      const all = { host: HOST, ...headers, ...protocols.length > 0 && { 'sec-websocket-protocol': protocols.join(', ') } }
      try {
        await injectWS(path, { headers: all }, {
          onInit: (socket: WebSocket) => {
            // A client by `ws` answers by itself.
            socket.on('ping', data => socket.pong(data))
            attach(socket)
          }
        })
      } catch (error) {
        const [, status] = /^Unexpected server response: (\d+)$/.exec((error as Error).message) ?? []
        if (status === undefined) throw error
        throw new WSA_TESTING_ERR_REFUSED(`GET ${path}`, { status: Number(status), headers: {}, body: '' })
      }
    }
  }
}

/** A connection of a server to itself, as a TCP connection is: each side may end by itself, and what was sent before still arrives. */
function connectInMemory (app: TestApp, address: string): Duplex {
  const [near, far] = duplexPair()
  for (const [side, other] of [[near, far], [far, near]] as const) {
    side.on('close', () => {
      // What was sent before is still read. Then there is nobody whom an answer could reach.
      if (other.readableEnded) other.destroy()
      else other.once('end', () => { other.destroy() }).push(null)
    })
  }
  Object.assign(far, { remoteAddress: address, remoteFamily: address.includes(':') ? 'IPv6' : 'IPv4', remotePort: 0 })
  const server = app.server as { emit (event: 'connection', socket: Duplex): boolean }
  server.emit('connection', far)
  return near
}

async function inject (app: TestApp, path: string, { method, headers, body, address }: Outgoing): Promise<Response> {
  const { statusCode, headers: given, rawPayload } = await app.inject({
    method, url: path, headers: { host: HOST, ...headers }, remoteAddress: address, ...body !== undefined && { payload: body }
  }) as { statusCode: number, headers: Record<string, string | string[] | number>, rawPayload: Buffer }
  const answered = new Headers()
  for (const [name, value] of Object.entries(given)) for (const one of [value].flat()) answered.append(name, String(one))
  // These statuses have no body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
  const hasBody = ![204, 205, 304].includes(statusCode)
  return new Response(hasBody ? new Uint8Array(rawPayload) : null, { status: statusCode, headers: answered })
}

/** Waits until a socket of `ws` is open. */
async function opened (path: string, socket: WebSocket, attach: (socket: WebSocket) => void): Promise<void> {
  attach(socket)
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    // For good: a connection that breaks later is an error as well.
    socket.on('error', reject)
    socket.once('unexpected-response', (request, response: IncomingMessage) => {
      textOf(response).then(body => {
        request.destroy()
        reject(new WSA_TESTING_ERR_REFUSED(`GET ${path}`, { status: response.statusCode as number, headers: response.headers as Record<string, string>, body }))
      }, reject)
    })
  })
}

async function textOf (response: IncomingMessage): Promise<string> {
  let text = ''
  // A body that is cut off is what there is.
  response.setEncoding('utf8').on('data', chunk => { text += chunk }).on('error', () => {})
  await new Promise(resolve => response.on('close', resolve))
  return text
}
