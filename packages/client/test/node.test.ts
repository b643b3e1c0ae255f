import { connect as imported } from '@fastify-airlock/client'
import t from 'tap'
import { WebSocket } from 'ws'
import { installed } from '../src/installed.js'
import * as everywhere from '../src/index.js'
import * as node from '../src/node.js'
import { fakes, until } from './helpers.js'
import { dial, serve } from './server.js'

t.test('Node gets an entry of its own, with the same names', async t => {
  t.equal(imported, node.connect)
  t.same(Object.keys(node).sort(), Object.keys(everywhere).sort())
  t.equal(node.AirlockError, everywhere.AirlockError)
})

t.test('where there is no WebSocket, it takes that of ws, through both doors', async t => {
  t.intercept(globalThis, 'WebSocket', { value: undefined })
  const server = await serve(t)
  const { base, sign, connection: unused } = dial(t, server)
  unused.close()
  const connection = node.connect({
    url: `${base}/ws`,
    getTicket: ({ signal }) => fetch(`${base}/ws/ticket`, { method: 'POST', headers: { authorization: `Bearer ${sign()}` }, signal }),
    getToken: () => sign()
  })
  t.teardown(() => { connection.close() })
  connection.send({ n: 1 })
  t.same(await until(connection, 'message'), { n: 1 })
  t.equal(connection.user?.id, 'alice')
})

t.test('the one that is given comes first, then the global one', async t => {
  const [given, global] = [fakes(), fakes()]
  t.intercept(globalThis, 'WebSocket', { value: global.WebSocket })
  const url = 'ws://server.test/ws'
  for (const [options, own] of [[{ WebSocket: given.WebSocket }, given], [{}, global], [{ WebSocket: undefined }, global]] as const) {
    const connection = node.connect({ url, ...options })
    await own.next()
    connection.close()
  }
  t.same([given.all.length, global.all.length], [1, 2])
})

t.test('ws need not be installed', async t => {
  t.equal(installed(() => ({ WebSocket })), WebSocket)
  t.equal(installed(() => { throw new Error('Cannot find module') }), undefined)
})
