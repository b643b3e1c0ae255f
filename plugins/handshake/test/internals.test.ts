import type { WebSocket as ServerSocket } from '@fastify/websocket'
import t, { type Test } from 'tap'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { sendText } from '../src/internals.js'

const log = { warn: (line: string) => { throw new Error(line) } }

/** Both ends of a connection of plain `ws`. */
async function pair (t: Test, perMessageDeflate = false) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: perMessageDeflate && { threshold: 0 } })
  t.teardown(() => server.close())
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(() => client.terminate())
  client.on('error', () => {})
  const messages: string[] = []
  client.on('message', (data, isBinary) => messages.push(isBinary ? 'binary' : String(data)))
  const [socket] = await once(server, 'connection') as [ServerSocket]
  return {
    socket,
    /** All messages, once the server has closed. */
    all: async () => {
      socket.close()
      await once(client, 'close')
      return messages
    }
  }
}

t.test('texts of all lengths arrive, in order with other messages', async t => {
  const texts = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000].map(length => 'x'.repeat(length))
  texts.push('ä'.repeat(63), '€'.repeat(42))
  for (const deflate of [false, true]) {
    const { socket, all } = await pair(t, deflate)
    for (const text of texts) {
      sendText(socket, text, log)
      socket.send('between')
    }
    t.same(await all(), texts.flatMap(text => [text, 'between']), deflate ? 'compressed' : 'plain')
  }
})

t.test('a message in fragments is not torn apart', async t => {
  const { socket, all } = await pair(t)
  socket.send('one ', { fin: false })
  sendText(socket, 'way', log)
  t.match((await all()).join(''), /^one way$/, 'as `send` does it')
})

t.test('where a socket differs, sendText is `send`', async t => {
  const ways: Array<(sender: Record<string, unknown>) => void> = [
    sender => { delete sender._state },
    sender => { sender._state = 1 },
    sender => { sender._firstFragment = undefined },
    sender => { sender.sendFrame = undefined }
  ]
  for (const change of ways) {
    const { socket } = await pair(t)
    const sent: string[] = []
    socket.send = ((text: string) => { sent.push(text) }) as typeof socket.send
    change((socket as unknown as { _sender: Record<string, unknown> })._sender)
    sendText(socket, 'text', log)
    t.same(sent, ['text'])
  }
  const { socket } = await pair(t)
  socket.terminate()
  sendText(socket, 'to nobody', log)
  t.pass('nothing is thrown for a socket that has closed')
})
