import type { Socket } from 'node:net'
import t from 'tap'
import { serve, until } from './clients-doors.js'
import { rows } from './clients-table.js'

/** Long enough for each of the libraries to come back, with the waits that the table gives them. */
const QUIET_MS = 400

for (const [name, row] of Object.entries(rows)) {
  t.test(`${name}, unchanged, through both doors`, async t => {
    const server = await serve(t, { ...row, handler: row.handler(t) })
    const { Class, errors } = server.socketClass(row.mapClose)
    const client = row.start(server.url, Class)
    t.teardown(() => client.stop())

    await client.exchange()
    t.equal(server.seen.connections, 1)
    t.equal(server.seen.tickets, 1, 'one ticket for one connection')

    await server.restart()
    await until(() => server.seen.connections === 2)
    await client.exchange()
    t.equal(server.seen.connections, 2, 'comes back after a restart of the server')

    const before = server.seen.tickets
    server.closeAll(4401, 'token expired')
    await until(() => server.seen.connections === 3)
    await client.exchange()
    t.equal(server.seen.connections, 3, 'comes back after the expiry, with a fresh JWT')
    t.equal(server.seen.tickets, before + 1, 'and a ticket of its own')
    t.notOk(errors.some(({ final }) => final))

    server.closeAll(4403, 'not authorized')
    await until(() => errors.some(({ final }) => final))
    const { tickets } = server.seen
    await new Promise(resolve => setTimeout(resolve, QUIET_MS))
    t.same(server.seen, { connections: 3, tickets }, 'asks for nothing after a final refusal')
    t.match(errors.find(({ final }) => final), { code: 'WSA_CLIENT_ERR_FORBIDDEN', closeCode: 4403 })
  })
}

for (const [name, row] of Object.entries(rows)) {
  t.test(`${name} comes back when its open connection is cut, with the default of the class`, async t => {
    for (const how of ['terminate', 'resetAndDestroy'] as const) {
      const server = await serve(t, { ...row, handler: row.handler(t) })
      const { Class, errors } = server.socketClass()
      const client = row.start(server.url, Class)
      t.teardown(() => client.stop())
      await client.exchange()
      for (const socket of server.sockets) {
        if (how === 'terminate') socket.terminate()
        else (socket as unknown as { _socket: Socket })._socket.resetAndDestroy()
      }
      await until(() => server.seen.connections === 2)
      await client.exchange()
      t.notOk(errors.some(({ final }) => final), how)
    }
  })
}
