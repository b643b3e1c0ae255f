import t, { type Test } from 'tap'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import { wsTickets, type WsTicketsOptions } from '../src/index.js'
import { bare, signedIn } from './helpers.js'

async function build (t: Test, options: WsTicketsOptions = {}, global = false) {
  const app = bare(t)
  await app.register(jwt, { secret: 'of the test' })
  await app.register(rateLimit, { global, max: 1 })
  await app.register(wsTickets, options)
  const ask = async (sub: string) => app.inject({ method: 'POST', url: '/ws/ticket', headers: signedIn(app, sub) })
  return { app, ask }
}

t.test('one subject is limited, another is not', async t => {
  const { app, ask } = await build(t, { route: { rateLimit: { max: 2 } } })
  t.equal((await ask('alice')).statusCode, 201)
  t.equal((await ask('alice')).statusCode, 201)
  const refused = await ask('alice')
  t.match(refused.json(), { statusCode: 429, code: 'WSA_TICKET_ERR_RATE', message: 'Too many tickets' })
  t.match(refused.headers, { 'retry-after': /^\d+$/, 'cache-control': 'no-store' })
  t.equal((await ask('bob')).statusCode, 201)
  const unauthenticated = await app.inject({ method: 'POST', url: '/ws/ticket' })
  t.equal(unauthenticated.statusCode, 401, 'a client that is not signed in is not counted')
})

t.test('by default 60 a minute', async t => {
  const { ask } = await build(t)
  const first = await ask('alice')
  t.match(first.headers, { 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '59', 'x-ratelimit-reset': '60' })
  for (let i = 1; i < 60; i++) await ask('alice')
  t.equal((await ask('alice')).statusCode, 429)
})

t.test('turned off, even if the server limits every route', async t => {
  const { ask } = await build(t, { route: { rateLimit: false } }, true)
  for (let i = 0; i < 3; i++) t.equal((await ask('alice')).statusCode, 201)
})
