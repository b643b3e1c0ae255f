import t from 'tap'
import { createHash } from 'node:crypto'
import { createTicket, hashTicket } from '../src/secret.js'

t.test('tickets are 32 random bytes in base64url, and no two are alike', async t => {
  // More than the pool holds, several times.
  const tickets = Array.from({ length: 2_000 }, createTicket)
  t.equal(new Set(tickets).size, tickets.length)
  const bytes = tickets.map(ticket => Buffer.from(ticket, 'base64url'))
  t.ok(tickets.every((ticket, i) => /^[\w-]{43}$/.test(ticket) && bytes[i]?.length === 32))
  const ones = Buffer.concat(bytes).reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
  // 512000 fair bits: the standard deviation is 358, so this bound is ten of them.
  t.ok(Math.abs(ones - 256_000) < 3_580, `${ones} of 512000 bits are set`)
})

t.test('the hash is SHA-256 of the text', async t => {
  const ticket = createTicket()
  t.equal(hashTicket(ticket), createHash('sha256').update(ticket).digest('base64url'))
})
