// Runs alone: the environment is read once in a process, and forces the public way here.
import t from 'tap'

// Read once, when the packages are loaded.
process.env.AIRLOCK_PUBLIC = '1'
const { build, settle, sharesFrames } = await import('./helpers.js')

t.test('AIRLOCK_PUBLIC=1: send gets every message, and nothing is logged', async t => {
  t.equal(sharesFrames, false)
  const lines: string[] = []
  const { hub, pair } = await build(t, {
    fastify: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } }
  })
  const { client, socket, messages } = await pair()
  const sends = t.capture(socket, 'send', socket.send)
  t.equal(hub.broadcast('hello'), 1)
  t.equal(sends().length, 1)
  await settle(client)
  t.strictSame(messages, ['hello'])
  t.strictSame(lines, [])
})
