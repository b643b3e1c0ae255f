import { CloseCode, retryAfterClose } from '@fastify-airlock/protocol'
import t from 'tap'
import { closeMaps } from '../src/close-maps.js'
import { fault } from '../src/errors.js'
import { judgeClose } from '../src/verdict.js'

/** What becomes of each close code of the protocol, and of some others, by map. */
const table: Array<[code: number, any: number, yWebsocket?: number]> = [
  [1000, 1000], [1001, 1001], [1005, 1005], [1006, 1006], [1009, 4400], [1011, 1013], [1012, 1012], [1013, 1013], [1014, 1014],
  [3000, 3000], [4000, 4000], [4399, 4399], [4400, 4400], [4401, 1013], [4403, 4400, 4403], [4408, 1013], [4409, 4409], [4410, 4401, 4410],
  [4413, 1013], [4429, 1013], [4500, 1013], [4599, 1013], [4600, 4600], [4999, 4999]
]

/** Without the class, which takes 1000 for no refusal. */
const end = (code: number) => {
  const error = judgeClose(code, '', false, true)
  return { code, reason: 'why', error: Object.assign(error, { final: error.retry === 'never' && code !== 1000 }) }
}

t.test('what becomes of a close code', t => {
  for (const code of Object.values(CloseCode)) t.ok(table.some(([known]) => known === code), `${code} is in the table`)
  for (const [code, any, yWebsocket = any] of table) {
    const reason = (told: number) => told === code ? 'why' : `${code} why`
    t.same(closeMaps.any(end(code)), { code: any, reason: reason(any) })
    t.same(closeMaps.graphqlWs(end(code)), { code: any, reason: reason(any), onError: true })
    t.same(closeMaps.yWebsocket(end(code)), { code: yWebsocket, reason: reason(yWebsocket) })
    t.same(closeMaps.none(end(code)), { code, reason: 'why' })
    // What libraries that know of final codes take for final.
    const stops = (told: number): boolean => told >= 4400 && told < 4500
    if (code !== 1000) t.equal(stops(any), retryAfterClose(code) === 'never', `${code} stops where it should`)
  }
  t.end()
})

t.test('a refusal without a close frame', t => {
  const end = (reason: 'UNAUTHENTICATED' | 'FORBIDDEN' | 'UNREACHABLE', final: boolean) => ({ code: 1006, reason: '', error: fault(reason, '', { final }) })
  t.same(closeMaps.any(end('UNAUTHENTICATED', true)), { code: 4401, reason: '1006' })
  t.same(closeMaps.yWebsocket(end('FORBIDDEN', true)), { code: 4400, reason: '1006' })
  t.same(closeMaps.any(end('UNREACHABLE', false)), { code: 1006, reason: '' })
  t.end()
})
