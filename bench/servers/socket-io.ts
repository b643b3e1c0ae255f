import { createSecretKey } from 'node:crypto'
import { createServer } from 'node:http'
import jwt from 'jsonwebtoken'
import { Server } from 'socket.io'
import type { Settings, Started } from './settings.js'
import { portOf } from './ws.js'

/** socket.io over WebSockets only, with a middleware that verifies the JWT of the connect packet. */
export async function socketIo ({ keys }: Settings): Promise<Started> {
  const key = createSecretKey(Buffer.from(keys.public))
  const server = createServer()
  const io = new Server(server, { transports: ['websocket'] })
  io.use((socket, next) => {
    try {
      socket.data = jwt.verify(String(socket.handshake.auth.token), key, { algorithms: ['HS256'] })
      next()
    } catch {
      next(new Error('unauthorized'))
    }
  })
  io.on('connection', async socket => {
    await socket.join('news')
    socket.on('message', text => io.emit('message', { from: socket.data.sub, text }))
  })
  return {
    port: await portOf(server),
    connections: () => io.engine.clientsCount,
    broadcast (text, times) { for (let count = 0; count < times; count++) io.emit('message', text) }
  }
}
