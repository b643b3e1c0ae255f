import { pino } from 'pino'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { logStreamFor } from '../src/log-stream.js'

t.test('lines for people on a terminal', async t => {
  const screen = Object.assign(new PassThrough(), { isTTY: true })
  const logger = pino(logStreamFor(screen) as { write (line: string): void })
  logger.info({ port: 3000 }, 'open http://127.0.0.1:3000 in a browser')
  const line = String(screen.read())
  t.match(line, /^\[\d\d:\d\d:\d\d\] .*INFO.*open http:\/\/127\.0\.0\.1:3000 in a browser.*\{"port":3000\}/)
  t.equal(line.trimEnd().split('\n').length, 1)
  t.notMatch(line, /hostname|"pid"/)
})

t.test('JSON everywhere else', async t => {
  t.equal(logStreamFor(new PassThrough()), undefined)
  t.equal(logStreamFor(Object.assign(new PassThrough(), { isTTY: false })), undefined)
})
