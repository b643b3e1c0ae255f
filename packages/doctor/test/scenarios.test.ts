import { TICKET_PATTERN } from '@fastify-airlock/protocol'
import t from 'tap'
import { changePayload, inventTicket, withoutSignature } from '../src/scenarios/forge.js'
import { type Answer, codeOf, describeAnswer, describeExpected, judge } from '../src/scenarios/verdict.js'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString())
const HEADER = encode({ alg: 'HS256', typ: 'JWT' })
const token = `${HEADER}.${encode({ sub: 'alice', name: 'Älice ☕', role: 'user' })}.c2lnbmF0dXJl`

t.test('changePayload() keeps the header and the signature', async t => {
  const [header, payload, signature] = changePayload(token, { role: 'admin' }).split('.')
  t.equal(header, HEADER)
  t.same(decode(payload), { sub: 'alice', name: 'Älice ☕', role: 'admin' })
  t.equal(signature, 'c2lnbmF0dXJl')
})

t.test('withoutSignature() removes the signature', async t => {
  const [header, payload, signature] = withoutSignature(token).split('.')
  t.same(decode(header), { alg: 'none', typ: 'JWT' })
  t.equal(payload, token.split('.')[1])
  t.equal(signature, '')
})

t.test('inventTicket() returns what looks like a ticket', async t => {
  t.match(inventTicket(), TICKET_PATTERN)
  t.match(inventTicket(new Uint8Array(32).fill(255)), TICKET_PATTERN)
  t.not(inventTicket(), inventTicket())
})

const refusal = { statusCode: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL', message: 'No credential' }
const refused: Answer = { kind: 'refused', refusal }
const unknown: Answer = { kind: 'refused', refusal: null }
const closed: Answer = { kind: 'closed', code: 4403, reason: 'subject mismatch', announced: true }
const inside: Answer = { kind: 'in', what: 'auth_ok: the server let it in' }

t.test('judge(): the doors held only when the answer is the expected one', async t => {
  const status = { status: 401, code: 'WSA_GUARD_ERR_NO_CREDENTIAL' }
  t.equal(judge(refused, status), 'held')
  t.equal(judge(refused, { ...status, code: 'WSA_GUARD_ERR_ORIGIN' }), 'unclear')
  t.equal(judge(refused, { ...status, status: 403 }), 'unclear')
  t.equal(judge(unknown, status), 'unclear')
  t.equal(judge(closed, status), 'unclear')
  t.equal(judge(inside, status), 'broken')
  t.equal(judge(closed, { close: 4403 }), 'held')
  t.equal(judge(closed, { close: 4400 }), 'unclear')
  t.equal(judge(refused, { close: 4403 }), 'unclear')
  t.equal(judge(inside, { close: 4403 }), 'broken')
})

t.test('describes answers in words, and by their code', async t => {
  t.equal(describeExpected({ status: 401, code: 'X' }), 'HTTP 401 X')
  t.equal(describeExpected({ close: 4400 }), 'close 4400')
  t.equal(describeAnswer(refused), 'HTTP 401 WSA_GUARD_ERR_NO_CREDENTIAL: No credential')
  t.match(describeAnswer(unknown), /1006/)
  t.equal(describeAnswer(closed), 'close 4403, subject mismatch, after an auth_error')
  t.equal(describeAnswer({ kind: 'closed', code: 1009, reason: '', announced: false }), 'close 1009')
  t.equal(describeAnswer(inside), 'auth_ok: the server let it in')
  t.same([refused, unknown, closed, inside].map(codeOf), [401, null, 4403, null])
})
