import { EventEmitter } from 'node:events'
import t from 'tap'
import { tapMessages, takersOf } from '../src/index.js'

t.test('takers get text before its listeners, one after the other', async t => {
  const socket = new EventEmitter() as any
  const heard: unknown[][] = []
  socket.on('message', (...args: unknown[]) => { heard.push(args) })
  socket.on('close', (...args: unknown[]) => { heard.push(args) })
  t.same(takersOf(socket), [])
  const taker = (name: string) => ({ asked: [] as string[], takes (text: Buffer) { this.asked.push(text.toString()); return text.toString() === name } })
  const [one, other] = [taker('one'), taker('other')]
  tapMessages(socket, one)
  tapMessages(socket, other)
  t.same(takersOf(socket), [one, other])
  for (const text of ['one', 'other', 'third']) socket.emit('message', Buffer.from(text), false)
  t.same(one.asked, ['one', 'other', 'third'])
  t.same(other.asked, ['other', 'third'])
  socket.emit('message', Buffer.from('one'), true)
  socket.emit('close', 1000, 'one', 'more')
  t.same(heard, [[Buffer.from('third'), false], [Buffer.from('one'), true], [1000, 'one', 'more']])
})
