import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { LISTEN, type Started } from './settings.js'

const authOk = JSON.stringify({ type: 'auth_ok', user: { id: 'user-123' }, expiresAt: Date.now() })
const issued = JSON.stringify({ ticket: 'x'.repeat(43), expiresIn: 30, protocol: 'airlock.v1' })
const notFound = 'HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

/** `ws` alone: nothing but the upgrade. */
export async function bare (): Promise<Started> {
  return await listen(upgraded(), (socket, broadcast) => {
    socket.on('message', data => broadcast(JSON.stringify({ text: String(data) })))
  })
}

/** `ws` alone, with the exchange of both doors, and nothing verified: no server that does the same costs less. */
export async function floor (): Promise<Started> {
  const answer: RequestListener = (_request, response) => {
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': issued.length }).end(issued)
  }
  return await listen(upgraded(answer), (socket, broadcast) => {
    socket.once('message', () => {
      socket.send(authOk)
      socket.on('message', data => broadcast(JSON.stringify({ text: String(data) })))
    })
  })
}

/** Refuses every upgrade with a constant. */
export async function bare404 (): Promise<Started> {
  const server = createServer()
  server.on('upgrade', (_request, socket) => { socket.end(notFound) })
  return { port: await portOf(server), connections: () => 0 }
}

function upgraded (answer?: RequestListener): { server: Server, sockets: WebSocketServer } {
  const sockets = new WebSocketServer({ noServer: true })
  const server = createServer(answer)
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, client => { sockets.emit('connection', client, request) })
  })
  return { server, sockets }
}

async function listen (
  { server, sockets }: { server: Server, sockets: WebSocketServer },
  handler: (socket: WebSocket, broadcast: (text: string) => void) => void
): Promise<Started> {
  const broadcast = (text: string): void => { for (const client of sockets.clients) client.send(text) }
  sockets.on('connection', (socket, request) => {
    if (request.url === '/echo') socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    else handler(socket, broadcast)
  })
  return {
    port: await portOf(server),
    connections: () => sockets.clients.size,
    broadcast (text, times) { for (let count = 0; count < times; count++) broadcast(text) }
  }
}

/** Listens. */
export async function portOf (server: Server): Promise<number> {
  await new Promise<void>(resolve => { server.listen(LISTEN, resolve) })
  return (server.address() as AddressInfo).port
}
