import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Duplex } from 'node:stream'
import { type ClientOptions, WebSocket } from 'ws'
import { WSA_TESTING_ERR_NO_INJECT, WSA_TESTING_ERR_REFUSED } from './errors.js'
import { Lines } from './lines.js'
import { connectInMemory } from './memory.js'
import type { Aim, Outgoing, Reach, SocketArguments, TestApp, Transport, Upgrade, Ways } from './reach.js'

/** The name of a server in memory. */
const HOST = 'localhost'

/** Makes a server ready to be reached. */
export async function reach (app: TestApp, transport: Transport): Promise<Reach> {
  const lines = new Lines(app)
  if (transport === 'port') {
    await app.listen({ port: 0, host: '127.0.0.1' })
    return lines.of(overPort(app))
  }
  await app.ready()
  return lines.of(transport === 'memory' ? inMemory(app) : byInjectWS(app))
}

function overPort (app: TestApp): Ways {
  const { port } = (app.server as { address (): AddressInfo }).address()
  const origin = `http://127.0.0.1:${port}`
  const aim = ({ path, protocols, headers, port: other = port }: Aim): SocketArguments => [
    `ws://127.0.0.1:${other}${path}`, protocols, { headers, perMessageDeflate: false }
  ]
  return {
    origin,
    port,
    fetch: async (path, { method, headers, body }) => await fetch(origin + path, { method, headers, redirect: 'manual', ...body !== undefined && { body } }),
    open: async upgrade => await opened(upgrade, aim(upgrade)),
    aim
  }
}

function inMemory (app: TestApp): Ways {
  const aim = ({ path, protocols, headers, address }: Aim): SocketArguments => [
    `ws://${HOST}${path}`, protocols, { headers, perMessageDeflate: false, ...dial(() => connectInMemory(app.server as Parameters<typeof connectInMemory>[0], address)) }
  ]
  return {
    origin: `http://${HOST}`,
    port: null,
    fetch: async (path, request) => await inject(app, path, request),
    open: async upgrade => await opened(upgrade, aim(upgrade)),
    aim
  }
}

function dial (createConnection: () => Duplex): Pick<ClientOptions, 'createConnection'> {
  return { createConnection: createConnection as unknown as NonNullable<ClientOptions['createConnection']> }
}

/** An upgrade to nobody: it fails as one to a port where nobody listens. */
export function aimAtNobody (): SocketArguments {
  return [`ws://${HOST}`, [], dial(() => new Duplex({
    // Not before: nobody listens to its errors yet.
    read () { this.destroy(new Error('Nobody listens')) },
    write (_chunk, _encoding, done) { done() }
  }))]
}

function byInjectWS (app: TestApp): Ways {
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

/** Makes a socket of `ws`, and waits until it is open. */
async function opened ({ path, attach }: Upgrade, socketArguments: SocketArguments): Promise<void> {
  const socket = new WebSocket(...socketArguments)
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
