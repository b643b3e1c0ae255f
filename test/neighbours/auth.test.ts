import type { FastifyAuthFunction } from '@fastify/auth'
import { type GuardOptions, ticket } from '@fastify-airlock/guard'
import type { FastifyInstance, preValidationHookHandler } from 'fastify'
import t, { type Test } from 'tap'
import { connect } from '../helpers.js'
import { build } from './app.js'
import { PAGE } from './table.js'

class Refused extends Error {
  readonly statusCode = 401
  readonly code = 'NO_KEY'
}

const byKey: FastifyAuthFunction = async ({ headers }) => {
  if (headers['x-key'] !== 'key') throw new Refused('No key')
}

type Make = (app: FastifyInstance, guard: (options?: GuardOptions) => FastifyAuthFunction) => preValidationHookHandler

/** A server with a route for each form, and a client that presents what it is told to. */
async function auth (t: Test, forms: Record<string, Make>) {
  const { app, port, log } = await build(t, ['auth'], {
    async routes (app) {
      for (const [name, make] of Object.entries(forms)) {
        const preValidation = make(app, options => app.wsGuard(options) as unknown as FastifyAuthFunction)
        app.get(`/${name}`, { websocket: true, preValidation }, (socket, { wsIdentity }) => socket.send(JSON.stringify({ subject: wsIdentity?.subject ?? null })))
      }
    }
  })
  const issue = async (): Promise<string> => (await app.wsTickets.issue('alice')).ticket
  const attempt = async (path: string, { key = false, ticket, origin = PAGE, cookie, protocols = ['airlock.v1'] }: Presented): Promise<string> => {
    const headers = { ...(key && { 'x-key': 'key' }), ...(cookie !== undefined && { cookie }), ...(origin !== null && { origin }) }
    try {
      const client = await connect(t, `ws://127.0.0.1:${port}/${path}`, [...protocols, ...(ticket === undefined ? [] : [`ticket.${ticket}`])], { headers })
      return `${client.socket.protocol} ${(await client.next()).subject as string}`
    } catch (error) {
      return (error as Error).message
    }
  }
  return { app, attempt, issue, log }
}

interface Presented {
  key?: boolean
  ticket?: string
  origin?: string | null
  cookie?: string
  protocols?: string[]
}

const NO_CREDENTIAL = 'HTTP 401 WSA_GUARD_ERR_NO_CREDENTIAL'
const INVALID = 'HTTP 401 WSA_GUARD_ERR_INVALID_CREDENTIAL'
const NO_KEY = 'HTTP 401 NO_KEY'
const BY_TICKET = 'airlock.v1 alice'
const BY_KEY = 'airlock.v1 null'
/** Where the guard was never asked, ws selects the first offer that is no carrier. */
const BY_KEY_ALONE = BY_KEY

t.test('each form of @fastify/auth, with the guard in each place', async t => {
  const forms: Record<string, Make> = {
    'or-first': (app, guard) => app.auth([guard({ refusalErrors: true }), byKey]),
    'or-last': (app, guard) => app.auth([byKey, guard({ refusalErrors: true })]),
    'or-last-plain': (app, guard) => app.auth([byKey, guard()]),
    'or-first-plain': (app, guard) => app.auth([guard(), byKey]),
    'or-first-all': (app, guard) => app.auth([guard({ refusalErrors: true }), byKey], { run: 'all' }),
    'or-last-all': (app, guard) => app.auth([byKey, guard({ refusalErrors: true })], { run: 'all' }),
    'and-first': (app, guard) => app.auth([guard(), byKey], { relation: 'and' }),
    'and-last': (app, guard) => app.auth([byKey, guard()], { relation: 'and' }),
    'and-all': (app, guard) => app.auth([byKey, guard({ refusalErrors: true })], { relation: 'and', run: 'all' }),
    'or-of-and': (app, guard) => app.auth([[guard({ refusalErrors: true }), byKey], [byKey, async ({ headers }) => { if (headers.origin !== PAGE) throw new Refused('?') }]]),
    'and-of-or': (app, guard) => app.auth([[guard({ refusalErrors: true }), byKey]], { relation: 'and' }),
    'guard-alone': app => app.wsGuard({
      authenticate: [ticket(), ({ headers }) => headers['x-key'] === 'key' ? { subject: 'key' } : null]
    })
  }
  // What a client gets with nothing, a ticket, a key, both, and a used ticket together with a key.
  const table: Array<[keyof typeof forms, string, string, string, string, string]> = [
    ['or-first', NO_KEY, BY_TICKET, BY_KEY, BY_TICKET, BY_KEY],
    ['or-last', NO_CREDENTIAL, BY_TICKET, BY_KEY_ALONE, BY_KEY_ALONE, BY_KEY_ALONE],
    ['or-last-plain', NO_CREDENTIAL, BY_TICKET, BY_KEY_ALONE, BY_KEY_ALONE, BY_KEY_ALONE],
    ['or-first-plain', NO_CREDENTIAL, BY_TICKET, NO_CREDENTIAL, BY_TICKET, INVALID],
    ['or-first-all', NO_KEY, BY_TICKET, BY_KEY, BY_TICKET, BY_KEY],
    ['or-last-all', NO_CREDENTIAL, BY_TICKET, BY_KEY, BY_TICKET, BY_KEY],
    ['and-first', NO_CREDENTIAL, NO_KEY, NO_CREDENTIAL, BY_TICKET, INVALID],
    ['and-last', NO_KEY, NO_KEY, NO_CREDENTIAL, BY_TICKET, INVALID],
    ['and-all', NO_KEY, NO_KEY, NO_CREDENTIAL, BY_TICKET, INVALID],
    ['or-of-and', NO_KEY, NO_KEY, BY_KEY, BY_TICKET, BY_KEY],
    ['and-of-or', NO_KEY, BY_TICKET, BY_KEY, BY_TICKET, BY_KEY],
    ['guard-alone', INVALID, BY_TICKET, 'airlock.v1 key', BY_TICKET, 'airlock.v1 key']
  ]
  const { attempt, issue, log } = await auth(t, forms)
  for (const [form, nothing, ticket, key, both, used] of table) {
    t.equal(await attempt(form, {}), nothing, `${form}: nothing`)
    t.equal(await attempt(form, { ticket: await issue() }), ticket, `${form}: a ticket`)
    t.equal(await attempt(form, { key: true }), key, `${form}: a key`)
    t.equal(await attempt(form, { key: true, ticket: await issue() }), both, `${form}: both`)
    t.equal(await attempt(form, { key: true, ticket: 'A'.repeat(43) }), used, `${form}: a bad ticket and a key`)
  }
  t.same(log.filter(({ level }) => level >= 40), [])
})

t.test('what is not about the credential stays final in an "or"', async t => {
  const { attempt, issue } = await auth(t, {
    or: (app, guard) => app.auth([guard({ refusalErrors: true }), byKey]),
    allow: (app, guard) => app.auth([guard({ refusalErrors: true, missingOrigin: 'allow' }), byKey])
  })
  const table: Array<[string, Presented, string]> = [
    ['or', { key: true, origin: 'https://elsewhere.test' }, 'HTTP 403 WSA_GUARD_ERR_ORIGIN'],
    // The other check may go by the cookie.
    ['or', { key: true, origin: null, cookie: 'session=1' }, 'HTTP 403 WSA_GUARD_ERR_ORIGIN'],
    ['or', { key: true, origin: null }, BY_KEY],
    ['allow', { key: true, origin: null, cookie: 'session=1' }, BY_KEY],
    ['or', { key: true, protocols: ['chat'] }, 'HTTP 400 WSA_GUARD_ERR_SUBPROTOCOL'],
    ['or', { key: true, ticket: await issue(), protocols: ['airlock.v1', 'ticket.x'] }, 'HTTP 400 WSA_GUARD_ERR_MULTIPLE_CREDENTIALS']
  ]
  for (const [path, presented, expected] of table) t.equal(await attempt(path, presented), expected, JSON.stringify(presented))
})
