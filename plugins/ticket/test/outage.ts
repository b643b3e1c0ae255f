import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { PrivateServer } from '@fastify-airlock/test-servers'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'

/** Time for what must come, on a machine that does much else at the time. In milliseconds. */
export const PATIENCE = 10_000

/** Time the store has for an answer where it gives none. In milliseconds. */
export const STORE_TIMEOUT = 500

const TICKETS = 300

/** A server whose tickets lie in the database under test, ready, and a request for one more ticket. */
export interface Subject {
  app: FastifyInstance
  ask: () => Promise<LightMyRequestResponse>
}

/**
 * How tickets fare when their database is killed, or stands still, and comes back.
 *
 * @param database one of the test's own
 * @param start makes a server that gives its store `timeout` milliseconds for an answer
 */
export function testOutages (t: Test, database: PrivateServer, start: (t: Test, timeout: number) => Promise<Subject>): void {
  t.test('killed in the middle of redemptions, and back', async t => {
    const { app } = await start(t, PATIENCE)
    const tickets = app.wsTickets
    const issued: string[] = []
    while (issued.length < TICKETS) {
      const batch = await Promise.all(Array.from({ length: 20 }, () => tickets.issue('alice', { ttl: 900_000 })))
      issued.push(...batch.map(({ ticket }) => ticket))
    }

    const redeemed = new Set<string>()
    const failed = new Set<string>()
    let killed: Promise<void> | undefined
    let next = 0
    const begin = performance.now()
    await Promise.all(Array.from({ length: 20 }, async () => {
      // A few more after the first failure, so that calls to a server that is gone are among them.
      while (next < issued.length && failed.size < 50) {
        const ticket = issued[next++] as string
        try {
          if (await tickets.redeem(ticket) !== null) redeemed.add(ticket)
          if (redeemed.size >= 100) killed ??= database.kill()
        } catch (error) {
          t.match(error, { code: 'WSA_TICKET_ERR_UNAVAILABLE', statusCode: 503, retryAfter: 1 })
          failed.add(ticket)
        }
      }
    }))
    await killed
    t.ok(failed.size > 0, `${redeemed.size} redeemed, ${failed.size} failed`)
    t.ok(performance.now() - begin < PATIENCE * 4, 'nothing hung')

    await database.restart()
    await eventually(async () => tickets.issue('alice'))
    let again = 0
    for (const ticket of issued) {
      const good = await tickets.redeem(ticket) !== null
      if (good && redeemed.has(ticket)) again++
      if (!good && !redeemed.has(ticket) && !failed.has(ticket)) t.fail('a ticket that nobody redeemed is gone')
    }
    t.equal(again, 0, 'what was redeemed before is not good again')
  })

  t.test('paused: 503 within the deadline, and it works again by itself', async t => {
    const { app, ask } = await start(t, STORE_TIMEOUT)
    const tickets = app.wsTickets
    const { ticket } = await tickets.issue('alice')
    t.equal((await ask()).statusCode, 201)

    await database.pause()
    t.teardown(() => database.resume())
    const begin = performance.now()
    const [response] = await Promise.all([
      ask(),
      // More than a pool has connections.
      ...Array.from({ length: 150 }, () => t.rejects(tickets.redeem(ticket), { code: 'WSA_TICKET_ERR_UNAVAILABLE', statusCode: 503 })),
      t.rejects(tickets.revoke('alice'), { code: 'WSA_TICKET_ERR_UNAVAILABLE' })
    ])
    const elapsed = performance.now() - begin
    t.equal(response.statusCode, 503)
    t.equal(response.headers['retry-after'], '1')
    t.equal(response.json().code, 'WSA_TICKET_ERR_UNAVAILABLE')
    t.ok(elapsed < STORE_TIMEOUT + PATIENCE, `${Math.round(elapsed)} ms`)

    database.resume()
    const issued = await eventually(async () => tickets.issue('alice'))
    t.match(await tickets.redeem(issued.ticket), { subject: 'alice' })
    t.equal((await ask()).statusCode, 201)
  })
}

/** Tries again until it works. */
export async function eventually<T> (attempt: () => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE * 2
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > until) throw new Error(`still failing: ${inspect(error)}`)
      await sleep(100)
    }
  }
}
