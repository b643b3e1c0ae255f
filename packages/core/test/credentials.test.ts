import t from 'tap'
import { type Carriers, findCredentials } from '../src/index.js'

const all: Carriers = { subprotocol: 'ticket.', cookie: 'c', query: 'q', header: true }
const find = (
  { headers = {}, query = {}, offered = [] }: { headers?: Record<string, string>, query?: unknown, offered?: string[] },
  carriers = all
) => findCredentials({ headers, query }, new Set(offered), carriers)

t.test('each carrier, as often as it is used', async t => {
  t.same(find({}), [])
  t.same(find({ offered: ['airlock.v1', 'ticket.a', 'bearer.x', 'ticket.'] }), [
    { carrier: 'subprotocol', value: 'a' }, { carrier: 'subprotocol', value: '' }
  ])
  t.same(find({ headers: { authorization: 'bEaReR a.b.c' } }), [{ carrier: 'header', value: 'a.b.c' }])
  t.same(find({ headers: { authorization: 'Bearer' } }), [{ carrier: 'header', value: '' }])
  t.same(find({ headers: { authorization: 'Basic YTpi' } }), [])
  t.same(find({ query: { q: 'a' } }), [{ carrier: 'query', value: 'a' }])
  t.same(find({ query: { q: ['a', 'b'] } }), [{ carrier: 'query', value: 'a' }, { carrier: 'query', value: 'b' }])
  t.same(find({ query: { q: { x: 1 } } }), [{ carrier: 'query', value: '[object Object]' }])
  t.same(find({ headers: { cookie: 'a=1; c=x=y;c="z" ; cc=2; c' } }), [
    { carrier: 'cookie', value: 'x=y' }, { carrier: 'cookie', value: '"z"' }
  ])
})

t.test('a carrier that is left out is not read', async t => {
  const request = { headers: { authorization: 'Bearer a', cookie: 'c=a' }, query: { q: 'a' }, offered: ['ticket.a'] }
  t.equal(find(request).length, 4)
  t.same(find(request, {}), [])
  t.same(find(request, { header: false, cookie: 'other', query: 'other', subprotocol: 'bearer.' }), [])
})
