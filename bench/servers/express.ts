import { createSecretKey } from 'node:crypto'
import { createServer } from 'node:http'
import express from 'express'
import jwt from 'jsonwebtoken'
import { WebSocketServer } from 'ws'
import type { Settings, Started } from './settings.js'
import { portOf } from './ws.js'

/** express, ws and jsonwebtoken: a JWT in the Authorization header of the upgrade. The key is prepared once. */
export async function expressWs ({ keys }: Settings): Promise<Started> {
  const key = createSecretKey(Buffer.from(keys.public))
  const app = express()
  const server = createServer(app)
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    try {
      const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ')
      if (scheme !== 'Bearer') throw new Error('no token')
      jwt.verify(token, key, { algorithms: ['HS256'] })
    } catch {
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    sockets.handleUpgrade(request, socket, head, client => { sockets.emit('connection', client, request) })
  })
  const broadcast = (text: string): void => { for (const client of sockets.clients) client.send(text) }
  sockets.on('connection', (socket, request) => {
    socket.on('message', (data, isBinary) => {
      if (request.url === '/echo') socket.send(data, { binary: isBinary })
      else broadcast(JSON.stringify({ text: String(data) }))
    })
  })
  return {
    port: await portOf(server),
    connections: () => sockets.clients.size,
    broadcast (text, times) { for (let count = 0; count < times; count++) broadcast(text) }
  }
}
