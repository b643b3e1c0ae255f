import { retryAfterClose } from '@fastify-airlock/protocol'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { WebSocket } from 'ws'
import { serve, until } from './clients-doors.js'
import { rows } from './clients-table.js'

/** Long enough for each of the libraries to come back, with the waits that the table gives them. */
const QUIET_MS = 500

const CODES = [1000, 1001, 1009, 1012, 1013, 4400, 4401, 4403, 4408, 4409, 4410, 4413, 4429, 4500, 1006]

/** A socket that connects while its library is stopped reports that to nobody, which `ws` throws. */
class Plain extends WebSocket {
  constructor (...args: ConstructorParameters<typeof WebSocket>) {
    super(...args)
    this.on('error', () => {})
  }
}

/** Section 12 of the protocol, by library: after what it does not come back, and should; after what it does, and should not. */
function documented (): Record<string, number[][]> {
  const text = readFileSync(join(import.meta.dirname, '../../docs/PROTOCOL.md'), 'utf8')
  const table = /^\| library \| does not come back after .*\n\|[-| ]+\n((?:\|.*\n)+)/m.exec(text)?.[1] ?? ''
  return Object.fromEntries(table.trim().split('\n').map(line => {
    const [, name = '', ...cells] = line.split('|').map(cell => cell.trim())
    return [name, cells.map(codes => Array.from(codes.matchAll(/\b\d{4}\b/g), ([code]) => Number(code)))]
  }))
}

t.test('every library is in the table of the protocol', async t => {
  t.same(Object.keys(documented()).sort(), Object.keys(rows).sort())
  for (const [name, [stays = [], tooFew, tooMany]] of Object.entries(documented())) {
    t.same(tooFew, stays.filter(code => retryAfterClose(code) !== 'never'), name)
    t.same(tooMany, CODES.filter(code => !stays.includes(code) && retryAfterClose(code) === 'never'), name)
  }
})

for (const [name, row] of Object.entries(rows)) {
  t.test(`${name}, on a socket of its own: what it does at each close code`, async t => {
    const [stays = []] = documented()[name] ?? []
    await Promise.all(CODES.map(async code => {
      const server = await serve(t, { ...row, handler: row.handler(t) })
      const client = row.start(server.bare, Plain)
      t.teardown(() => client.stop())
      await client.exchange()
      const { connections } = server.seen
      for (const socket of server.sockets) {
        if (code === 1006) socket.terminate()
        else socket.close(code, 'told')
      }
      if (stays.includes(code)) {
        await new Promise(resolve => setTimeout(resolve, QUIET_MS))
        t.equal(server.seen.connections, connections, `${code}: stays away`)
      } else {
        await until(() => server.seen.connections > connections)
        t.pass(`${code}: comes back`)
      }
    }))
  })
}

t.test('two tabs that evict each other for ever on sockets of their own', async t => {
  for (const [name, row] of Object.entries(rows)) {
    const server = await serve(t, { ...row, handler: row.handler(t) })
    const { Class, errors } = server.socketClass(row.mapClose)
    const first = row.start(server.url, Class)
    t.teardown(() => first.stop())
    await first.exchange()
    // The second tab is another client, which replaces the first.
    const replaced = [...server.sockets]
    const second = row.start(server.url, server.socketClass(row.mapClose).Class)
    t.teardown(() => second.stop())
    await second.exchange()
    for (const socket of replaced) socket.close(4409, 'replaced')
    await until(() => errors.some(({ final }) => final))
    const { connections } = server.seen
    await second.exchange()
    t.equal(server.seen.connections, connections, `${name}: the first does not come back`)
  }
})
