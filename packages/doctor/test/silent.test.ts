import t from 'tap'
import { examine } from '../src/index.js'
import { BRIEF, frame, look, rawServer } from './raw.js'

t.test('a server that takes everything and says nothing', async t => {
  const { url } = await rawServer(t, { upgrade: ({ accept }) => accept() })
  t.match(await look({ url }, 'masking'), /^fail: a frame without a mask is taken/)
  t.match(await look({ url }, 'close-answer'), /^fail: a close frame gets no answer$/)
  t.match(await look({ url }, 'payload-limit'), /^fail: /)
  t.match(await look({ url }, 'close-cut'), /^unknown: the server does not close/)
  t.match(await look({ url, drain: BRIEF }, 'drain'), /^unknown: the server did not stop within 0.1 s/)
  t.match(await look({ url }, 'bad-upgrade'), /^fail: the method POST: 101/)
  t.match(await look({ url }, 'no-ticket'), /^fail: 101/)
  t.match(await look({ url }, 'wrong-origin'), /^fail: 101/)
  t.match(await look({ url }, 'carrier-echo'), /^pass/)
  t.match(await look({ url }, 'refusal-form'), /^unknown: the upgrade was accepted/)
  t.match(await look({ url }, 'refusal-ends'), /^unknown: the upgrade was accepted/)
  t.match(await look({ url, token: 'not a jwt' }, 'jwt-in-url'), /^unknown: the upgrade is accepted without any credential/)
})

t.test('a server that cuts the connection in place of an answer', async t => {
  const { url } = await rawServer(t, { upgrade: ({ accept, socket }) => accept(() => socket.destroy()) })
  t.match(await look({ url }, 'close-answer'), /^fail: a close frame gets no answer: the connection was cut/)
  t.match(await look({ url, only: ['early-frame', 'close-codes'] }, 'early-frame'), /^pass: close 1006/)
  t.match(await look({ url, only: ['early-frame', 'close-codes'] }, 'close-codes'), /^fail: early-frame: close 1006, and not close 4400/)
})

t.test('pings, pongs, fragments, long messages, and closes without a code are understood', async t => {
  const seen: Buffer[] = []
  const { url } = await rawServer(t, {
    upgrade: ({ accept, socket }) => accept(bytes => {
      seen.push(bytes)
      if (bytes[0] === 0x88) return socket.write(frame('', 8))
      if (seen.length > 1) return
      socket.write(Buffer.concat([frame('ping', 9), frame('pong', 10), frame(Buffer.alloc(70_000), 2), frame(Buffer.alloc(200), 2), frame('{"type":"auth', 1, false), frame('_ok"}', 0)]))
    })
  })
  t.match(await look({ url, token: 'opaque', patience: 120_000 }, 'close-answer'), /^pass: a close frame is answered with 1005/)
  t.ok(seen.some(bytes => bytes[0] === 0x8a), 'the ping was answered')
})

t.test('an application that answers everybody', async t => {
  const { url } = await rawServer(t, { upgrade: ({ accept, socket }) => accept(() => { socket.write(frame('hello')) }) })
  t.match(await look({ url }, 'early-frame'), /^fail: the application answered: hello/)
})

t.test('no server at all', async t => {
  const { findings, honest } = await examine({ url: 'ws://127.0.0.1:1/ws', only: ['no-ticket', 'early-frame'], patience: 120_000 })
  t.match(honest, /ECONNREFUSED/)
  t.match(findings.map(({ result }) => result), ['unknown', 'skipped'])
})

t.test('a server that does not even take the connection in time', async t => {
  // Without TLS on its side, a handshake never ends.
  const { url } = await rawServer(t, { upgrade: () => {} })
  t.match(await look({ url: url.replace('ws:', 'wss:') }, 'tls-certificate'), /^unknown: no connection within 100 ms/)
  const closing = await rawServer(t, { upgrade: ({ socket }) => socket.end() })
  t.match(await look({ url: closing.url.replace('ws:', 'wss:') }, 'tls-certificate'), /^unknown: /)
})
