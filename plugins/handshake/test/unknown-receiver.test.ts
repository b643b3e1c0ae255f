// Runs alone: private parts are probed once in a process.
import { usesPublicWay } from '@fastify-airlock/core'
import type { WebSocket } from '@fastify/websocket'
import t from 'tap'
import { holdMessages, limitMessages, releaseMessages } from '../src/internals.js'

// In a file of its own, since the receiver is looked at once per process.
t.test('a receiver that is not as expected is left alone, and one line says so', { skip: usesPublicWay() }, async t => {
  const lines: string[] = []
  const log = { warn: (line: string) => { lines.push(line) } }
  const receiver = {
    _maxPayload: 7, _state: 0, _bufferedBytes: 0, _messageLength: 0, _totalPayloadLength: 0, _fragmented: 0, _buffers: [], _fragments: [], startLoop: () => {}
  }
  const names = Object.keys(receiver)
  // All but one of them are.
  const socket = { _receiver: receiver, _extensions: { 'permessage-deflate': { _maxPayload: undefined } } } as unknown as WebSocket
  for (let times = 0; times < 2; times++) holdMessages(socket, 1, log)
  limitMessages(socket, 1)
  releaseMessages(socket)
  limitMessages({} as WebSocket, 1)
  releaseMessages({} as WebSocket)
  t.strictSame(Reflect.ownKeys(receiver), names)
  t.equal(receiver._maxPayload, 7)
  t.equal(lines.length, 1)
  t.match(lines[0], /^ws \(its receiver\) differs .* lets a first message grow to maxPayload/)
})
