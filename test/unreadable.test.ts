import websocket from '@fastify/websocket'
import { websocketOptions } from '@fastify-airlock/core'
import Fastify from 'fastify'
import t from 'tap'
import { unreadable } from '../packages/core/test/unreadable.js'
import { type Ask, places } from './verifying-places.js'

/*
 * Every place where a hook of the application decides, and everything that it may throw which can neither be read nor logged nor
 * answered with as it is: a refusal like any other, and never the end of the process.
 */

const ways: Record<string, (thrown: unknown) => unknown> = {
  throws: thrown => { throw thrown },
  rejects: async thrown => { throw thrown }
}

for (const [title, { start }] of Object.entries(places)) {
  t.test(title, async t => {
    let answer: () => unknown = () => {}
    const lines: string[] = []
    const app = Fastify({ logger: { level: 'error', stream: { write: line => { lines.push(line) } } } })
    t.teardown(() => app.close())
    await app.register(websocket, websocketOptions())
    const outcome = await start(t, app, (() => answer()) as Ask)
    for (const [way, fail] of Object.entries(ways)) {
      for (const [name, make] of Object.entries(unreadable)) {
        answer = () => fail(make())
        t.match(await outcome(), /^(?:401|403|50[03]|4401|4500)$/, `${name}, ${way}`)
      }
    }
  })
}
