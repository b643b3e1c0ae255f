import t from 'tap'
import { type ClientError, describeClientError } from '../src/connection/client-error.js'
import { failureOf, follow, NO_PROGRESS, type Progress, type ProgressEvent, stepStates } from '../src/connection/progress.js'

const play = (...events: ProgressEvent[]): Progress => events.reduce(follow, NO_PROGRESS)
const status = (name: Progress['status'], now = 0): ProgressEvent => ({ type: 'status', status: name, now })
const error = (name: 'UNAUTHENTICATED' | 'UNREACHABLE' | 'TIMEOUT' | 'PROTOCOL', status?: number, closeCode?: number): ClientError =>
  ({ code: `WSA_CLIENT_ERR_${name}`, status, closeCode })
const states = (progress: Progress, isLoggedIn = true) => Object.values(stepStates(progress, isLoggedIn)).join(' ')

t.test('starts outside', async t => {
  t.equal(states(NO_PROGRESS, false), 'active idle idle idle idle')
  t.equal(states(NO_PROGRESS), 'done idle idle idle idle')
  t.equal(failureOf(NO_PROGRESS), null)
})

t.test('shows the steps one by one', async t => {
  t.equal(states(play(status('ticket'))), 'done active idle idle idle')
  t.equal(states(play(status('ticket'), status('connecting'))), 'done done active idle idle')
  t.equal(states(play(status('ticket'), status('connecting'), status('authenticating'))), 'done done done active idle')
  t.equal(states(play(status('ticket'), status('connecting'), status('authenticating'), status('open'))), 'done done done done done')
})

t.test('measures times until the client reports the exact ones', async t => {
  const measured = play(status('ticket', 100), status('connecting', 103), status('authenticating', 110))
  t.same(measured.times, { ticket: 3, upgrade: 7 })
  const timings = { ticket: 2.5, upgrade: 6.5, auth: 1.5 }
  const open = play(status('ticket', 100), status('connecting', 103), status('authenticating', 110), status('open', 112), { type: 'open', timings, at: 5 })
  t.same(open.times, timings)
  t.equal(open.openSince, 5)
  const early = play(status('authenticating', 110), { type: 'open', timings, at: 5 }, status('open', 112))
  t.equal(early.openSince, 5, 'in either order')
})

t.test('a refused ticket', async t => {
  const progress = play(status('ticket'), { type: 'error', error: error('UNAUTHENTICATED', 401) }, status('closed'))
  t.equal(states(progress), 'done refused idle idle idle')
  t.equal(failureOf(progress), 'The server answered the ticket request with HTTP 401.')
})

t.test('a refused upgrade shows its reason as soon as the page knows it', async t => {
  const progress = play(status('ticket'), status('connecting'), { type: 'closed', code: 1006, reason: '' }, status('waiting'))
  t.equal(states(progress), 'done done refused idle idle')
  t.match(failureOf(progress), /1006/)
  const known = follow(progress, { type: 'refused', refusal: { statusCode: 403, code: 'WSA_GUARD_ERR_ORIGIN', message: 'Origin refused' } })
  t.equal(failureOf(known), 'The server refused the upgrade with HTTP 403: Origin refused.')
  t.equal(follow(known, status('ticket')).refusal, null, 'the next attempt clears it')
})

t.test('a refused first frame', async t => {
  const progress = play(status('ticket'), status('connecting'), status('authenticating'), { type: 'closed', code: 4403, reason: 'not authorized' }, status('closed'))
  t.equal(states(progress), 'done done done refused idle')
  t.equal(failureOf(progress), 'Closed with 4403: not authorized.')
  t.equal(progress.next, null)
})

t.test('a connection that was lost or closed', async t => {
  const open = [status('ticket'), status('connecting'), status('authenticating'), status('open')]
  const lost = play(...open, { type: 'closed', code: 1006, reason: '' }, status('waiting'), { type: 'waiting', delay: 500, at: 1_000 })
  t.equal(states(lost), 'done done done done refused')
  t.equal(failureOf(lost), 'The connection was lost (1006).')
  t.same(lost.next, { at: 1_500 })
  const silent = play(...open, status('waiting'), { type: 'error', error: error('TIMEOUT') }, { type: 'closed', code: 1006, reason: '' })
  t.equal(failureOf(silent), 'The link was lost: the server was silent for too long.')
  const restart = play(...open, { type: 'closed', code: 1012, reason: '{"retryAfter":40}' }, status('waiting'))
  t.equal(failureOf(restart), 'The server is restarting (1012).')
  t.equal(failureOf(play(...open, { type: 'closed', code: 4401, reason: '' }, status('closed'))), 'Closed with 4401.')
})

t.test('a server that cannot be reached', async t => {
  const progress = play(status('ticket'), { type: 'error', error: error('UNREACHABLE') }, status('waiting'))
  t.equal(failureOf(progress), 'The server cannot be reached.')
  t.equal(failureOf(play(status('ticket'), status('waiting'))), 'Got no ticket.')
  const silent = play(status('ticket'), status('connecting'), status('authenticating'), { type: 'error', error: error('TIMEOUT') }, status('waiting'))
  t.equal(failureOf(silent), 'The server did not answer in time.')
  t.equal(failureOf(play(status('authenticating'), status('waiting'))), 'No answer.')
})

t.test('a new attempt remembers why the previous one failed, until it succeeds', async t => {
  const lost = play(status('open'), { type: 'closed', code: 1006, reason: '' }, status('waiting'))
  const again = [status('ticket'), status('connecting')].reduce(follow, lost)
  t.equal(failureOf(again), null)
  t.equal(again.before, 'The connection was lost (1006).')
  t.equal(follow(again, status('ticket')).before, 'The connection was lost (1006).')
  t.equal([status('authenticating'), status('open')].reduce(follow, again).before, null)
})

t.test('describes the client’s errors', async t => {
  t.equal(describeClientError(error('UNREACHABLE', 503)), 'The server answered the ticket request with HTTP 503.')
  t.equal(describeClientError(error('UNREACHABLE', undefined, 4409)), 'Closed with 4409.')
  t.equal(describeClientError(error('UNREACHABLE', undefined, 1006)), 'The server cannot be reached.')
  t.equal(describeClientError(error('PROTOCOL')), 'Failed with WSA_CLIENT_ERR_PROTOCOL.')
})

t.test('counts renewals for each connection', async t => {
  const progress = play(status('open'), { type: 'refreshed' }, { type: 'refreshed' })
  t.equal(progress.refreshes, 2)
  t.equal(follow(progress, { type: 'reset' }), NO_PROGRESS)
  t.equal(follow(progress, status('idle')), NO_PROGRESS)
})
