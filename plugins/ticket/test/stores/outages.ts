import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { PrivateServer } from '@fastify-airlock/test-servers'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { TicketStore, WsTickets } from '../../src/index.js'
import { build, logged, signedIn } from '../helpers.js'
import { type OpenStore, spaceName } from './rows.js'

/** Longest wait for something that must happen, on a busy machine. In milliseconds. */
export const PATIENCE = 10_000

/** Time the store has for an answer when the test makes it late. In milliseconds. */
export const STORE_TIMEOUT = 500

const TICKETS = 300

/** A server whose tickets lie in the database under test. */
export interface Subject {
  app: FastifyInstance
  tickets: WsTickets
  /** Requests one more ticket. */
  ask: () => Promise<LightMyRequestResponse>
  /** What the server has logged. */
  lines: string[]
}

/** What else a store does while its database is away at the start, and when it is back. */
export interface OutageCases {
  away?: (subject: Subject) => Promise<void>
  back?: (url: string, space: string) => Promise<void>
}

/** A server with tickets in a store, closed with the test; not yet ready. */
export async function serve (t: Test, store: TicketStore, timeout = STORE_TIMEOUT): Promise<Subject> {
  const { lines, options } = logged()
  const app = await build(t, { store, storeTimeout: timeout }, options)
  const request = { method: 'POST', url: '/ws/ticket', headers: signedIn(app) } as const
  return { app, tickets: app.wsTickets, ask: () => app.inject(request), lines }
}

/**
 * Tests tickets whose database is killed, paused, or away at the start, and comes back.
 *
 * @param database a server that nobody else uses
 * @param create makes a store that gives the database `timeout` milliseconds for an answer
 * @param cases what else is true of this store
 */
export function testOutages (t: Test, database: PrivateServer, create: (space: string, timeout: number) => Promise<OpenStore>, cases: OutageCases): void {
  const start = async (t: Test, timeout: number): Promise<Subject> => {
    const opened = await create(spaceName(), timeout)
    t.teardown(opened.close)
    const subject = await serve(t, opened.store, timeout)
    await opened.connect()
    await subject.app.ready()
    return subject
  }

  t.test('killed in the middle of redemptions, and back', async t => {
    const { tickets } = await start(t, PATIENCE)
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
      // Goes on after the first failure, to call a server that is gone.
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
      if (!good && !redeemed.has(ticket) && !failed.has(ticket)) t.fail('a ticket is gone that was never redeemed')
    }
    t.equal(again, 0, 'no ticket was redeemed twice')
  })

  t.test('paused: 503 within the deadline, and it works again by itself', async t => {
    const { tickets, ask } = await start(t, STORE_TIMEOUT)
    const { ticket } = await tickets.issue('alice')
    t.equal((await ask()).statusCode, 201)

    await database.pause()
    t.teardown(() => database.resume())
    const begin = performance.now()
    const [response] = await Promise.all([
      ask(),
      // More calls than a pool has connections.
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

  t.test('away when the server starts: it starts, refuses, and works when the database is there', async t => {
    await database.kill()
    const space = spaceName()
    await testStart(t, database, await create(space, STORE_TIMEOUT), cases.away)
    await cases.back?.(database.url, space)
  })
}

/** Starts a server while its database is away, and then the database. */
export async function testStart (t: Test, database: PrivateServer, { store, close }: Pick<OpenStore, 'store' | 'close'>, away?: OutageCases['away']): Promise<void> {
  t.teardown(close)
  const subject = await serve(t, store)
  const { app, tickets, ask, lines } = subject
  const begin = performance.now()
  await app.ready()
  t.ok(performance.now() - begin < PATIENCE, 'the server starts')
  t.match(lines.join(''), 'The ticket store is not ready')
  const response = await ask()
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '1')
  await away?.(subject)

  await database.restart()
  const { ticket } = await eventually(async () => tickets.issue('alice'))
  t.match(await tickets.redeem(ticket), { subject: 'alice' })
  t.equal((await ask()).statusCode, 201)
}

/** Repeats an attempt until it succeeds. */
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
