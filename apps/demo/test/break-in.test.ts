// Runs alone: it sets globals that a browser has, and the clock.
import t from 'tap'
import { isRefusal, Recorder, typesOf } from '../../../test/audit.js'
import { judge, scenarios } from '@fastify-airlock/doctor/scenarios'
import { loadPage } from './break-in.js'
import { http, listen, login } from './helpers.js'

const AT_DOOR_TWO = ['ticket.issued', 'ticket.redeemed', 'upgrade.admitted', 'auth.refused', 'close']

/** What each scenario leaves, and why it is refused. */
const TRAILS: Record<string, { events: string[], refused: object }> = {
  'no-ticket': { events: ['upgrade.refused'], refused: { code: 'WSA_GUARD_ERR_NO_CREDENTIAL', status: 401, ticket: null, subject: null } },
  'invented-ticket': { events: ['upgrade.refused'], refused: { code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', ticket: /^[\w-]{16}$/, reason: /unknown/ } },
  'used-ticket': {
    events: ['ticket.issued', 'ticket.redeemed', 'upgrade.admitted', 'close', 'upgrade.refused'],
    refused: { code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', reason: /used/ }
  },
  'expired-ticket': { events: ['ticket.issued', 'upgrade.refused'], refused: { code: 'WSA_GUARD_ERR_INVALID_CREDENTIAL', reason: /expired/ } },
  'two-credentials': { events: ['ticket.issued', 'upgrade.refused'], refused: { code: 'WSA_GUARD_ERR_MULTIPLE_CREDENTIALS', status: 400 } },
  'wrong-subprotocol': { events: ['ticket.issued', 'upgrade.refused'], refused: { code: 'WSA_GUARD_ERR_SUBPROTOCOL', status: 400 } },
  'wrong-origin': { events: ['ticket.issued', 'upgrade.refused'], refused: { code: 'WSA_GUARD_ERR_ORIGIN', status: 403 } },
  silence: { events: AT_DOOR_TWO, refused: { code: 4408, reason: 'authentication timeout' } },
  'early-frame': { events: AT_DOOR_TWO, refused: { code: 4400, reason: 'auth message expected' } },
  'early-frames': { events: AT_DOOR_TWO, refused: { code: 4400, reason: 'auth message expected' } },
  'oversized-frame': { events: AT_DOOR_TWO, refused: { code: 4400, reason: 'auth message expected' } },
  'forged-jwt': { events: AT_DOOR_TWO, refused: { code: 4401, reason: 'token invalid' } },
  'alg-none': { events: AT_DOOR_TWO, refused: { code: 4401, reason: 'token invalid' } },
  'other-jwt': { events: AT_DOOR_TWO, refused: { code: 4403, reason: 'subject mismatch', subject: 'bob' } },
  'auth-twice': {
    events: ['ticket.issued', 'ticket.redeemed', 'upgrade.admitted', 'auth.accepted', 'auth.refused', 'close'],
    refused: { code: 4429, reason: 'already authenticated' }
  },
  'not-admin': { events: AT_DOOR_TWO, refused: { code: 4403, reason: 'not authorized', route: '/ws/admin' } }
}

t.test('every break-in scenario of the page leaves exactly one refusal', async t => {
  let ahead = 0
  const { now } = Date
  t.intercept(Date, 'now', { value: () => now() + ahead, configurable: true, writable: true })
  const patient = await listen(t, { AUTH_TIMEOUT_MS: '600000' })
  const short = await listen(t, { AUTH_TIMEOUT_MS: '100' })
  let { origin } = patient
  const page = await loadPage(t, () => origin)
  t.same(scenarios.map(({ id }) => id).sort(), Object.keys(TRAILS).sort(), 'all of them')
  const recorder = new Recorder(t)
  const secrets: string[] = []

  for (const { id, expected, run } of scenarios) {
    origin = (id === 'silence' ? short : patient).origin
    const token = await login(origin, 'bob')
    secrets.push(token)
    const answer = await run({
      ...page(id),
      auth: token => ({ type: 'auth', token }),
      token: async () => token,
      otherToken: async () => await login(origin, 'alice'),
      async ticket () {
        const { body } = await http('POST', `${origin}/ws/ticket`, { token })
        secrets.push(body.ticket)
        return body
      },
      async wait (ms: number) { ahead += ms }
    })
    t.equal(judge(answer, expected), 'held', id)
    const events = await recorder.closed()
    const { events: types, refused } = TRAILS[id] as typeof TRAILS[string]
    t.same(typesOf(events), types, `${id}: each decision once, in its order`)
    t.match(events.filter(isRefusal), [refused], `${id}: why`)
    const text = JSON.stringify(events)
    for (const secret of secrets) t.notOk(text.includes(secret), `${id}: no secret`)
  }
})
