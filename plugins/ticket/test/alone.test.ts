import t from 'tap'
import wsTickets, { wsTickets as named } from '../src/index.js'
import { bare } from './helpers.js'

t.test('alone on a bare server, with a hook of its own', async t => {
  const app = bare(t)
  t.equal(wsTickets, named)
  await app.register(wsTickets, {
    route: {
      authenticate: async () => {},
      subject: request => request.headers['x-user'] as string | undefined
    }
  })
  const response = await app.inject({ method: 'POST', url: '/ws/ticket', headers: { 'x-user': 'alice' } })
  t.equal(response.statusCode, 201)
  const redeemed = await app.wsTickets.redeem(response.json().ticket)
  t.match(redeemed, { subject: 'alice', claims: {} })
})

t.test('without a route it needs nothing', async t => {
  const app = bare(t)
  await app.register(wsTickets, { route: false })
  await app.ready()
  t.equal((await app.inject({ method: 'POST', url: '/ws/ticket' })).statusCode, 404)
  const { ticket } = await app.wsTickets.issue('alice')
  t.match(await app.wsTickets.redeem(ticket), { subject: 'alice' })
})

t.test('the route needs an authentication', async t => {
  const app = bare(t)
  app.register(wsTickets)
  await t.rejects(async () => { await app.ready() }, { code: 'WSA_TICKET_ERR_OPTION', message: /authenticate: register @fastify\/jwt/ })
})

t.test('the store is closed with the server', async t => {
  const app = bare(t)
  await app.register(wsTickets, { route: false })
  await app.ready()
  const { wsTickets: tickets } = app
  await app.close()
  await t.rejects(tickets.issue('alice'), { code: 'WSA_TICKET_ERR_STORE_CLOSED', statusCode: 503 })
})
