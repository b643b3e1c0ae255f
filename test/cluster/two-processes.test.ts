import { findMongo, requireServer } from '@fastify-airlock/test-servers'
import { MongoClient } from 'mongodb'
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startDemo } from '../demo.js'
import { outcomes } from '../helpers.js'

t.test('two demo processes on one database honour each other\'s tickets, once', async t => {
  const mongo = requireServer(t, await findMongo())
  if (mongo === null) return
  t.teardown(() => mongo.stop())
  const database = `airlock_${randomUUID()}`
  const client = await new MongoClient(mongo.url).connect()
  t.teardown(async () => {
    await client.db(database).dropDatabase()
    await client.close()
  })
  const settings = { JWT_SECRET: 'a secret that both processes share, 32+', MONGODB_URL: `${mongo.url}/${database}` }
  const [one, other] = await Promise.all([startDemo(t, settings), startDemo(t, settings)])
  const { token, user } = await one.login('alice', 'wonderland')

  t.test('issued by one, redeemed at the other, and the database has seen only a hash', async t => {
    const { ticket, protocol } = await one.ticket(token)
    const documents = JSON.stringify(await client.db(database).collection('ws_tickets').find().toArray())
    t.match(documents, user.id, 'the ticket is there')
    t.notMatch(documents, ticket)

    const socket = await other.connect('/ws/demo', [protocol, `ticket.${ticket}`])
    socket.send({ type: 'auth', token })
    t.match(await socket.next(), { type: 'auth_ok', user: { id: user.id } })
    t.match(await socket.next(), { type: 'tick', n: 1 })
    await t.rejects(one.connect('/ws/demo', [protocol, `ticket.${ticket}`]), { message: /^HTTP 401 / })
  })

  t.test('in a race at both, one attempt wins', async t => {
    for (let round = 0; round < 5; round++) {
      const { ticket } = await other.ticket(token)
      const attempts = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? one : other).connect(`/ws/demo?ticket=${ticket}`))
      t.match(await outcomes(attempts), { succeeded: 1, failures: ['HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL'] })
    }
  })

  t.test('logged out at one, the tickets are worthless at the other', async t => {
    const again = await one.login('alice', 'wonderland')
    const { ticket } = await one.ticket(again.token)
    t.equal((await one.post('/logout', again.token)).ok, true)
    await t.rejects(other.connect(`/ws/demo?ticket=${ticket}`), { message: /^HTTP 401 / })
  })

  t.test('both end with 0', async t => {
    t.equal(await one.stop('SIGTERM'), 0)
    t.equal(await other.stop('SIGTERM'), 0)
  })
})
