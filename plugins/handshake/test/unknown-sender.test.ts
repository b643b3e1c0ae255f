// Runs alone: private parts are probed once in a process.
import { usesPublicWay } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import t from 'tap'
import { sendText } from '../src/internals.js'

// In a file of its own, since the sender is looked at once per process.
t.test('a sender that is not as expected is left alone, and one line says so', { skip: usesPublicWay() }, async t => {
  const lines: string[] = []
  const log = { warn: (line: string) => { lines.push(line) } }
  const sent: string[] = []
  const socketWith = (sender: object | null) => ({
    OPEN: 1, readyState: 1, extensions: '', _isServer: true, _sender: sender, send: (text: string) => { sent.push(text) }
  }) as unknown as WebSocket
  const sendFrame = () => { t.fail('sendFrame was called') }
  sendText(socketWith({ _state: 0, _firstFragment: 'yes', sendFrame }), 'one', log)
  sendText(socketWith({ _state: 0, _firstFragment: true, sendFrame }), 'two', log)
  t.strictSame(sent, ['one', 'two'])
  t.equal(lines.length, 1)
  t.match(lines[0], /^ws \(its sender\) differs/)
})
