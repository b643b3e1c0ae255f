import t from 'tap'
import { type Carriers, countHeader, findCredentials } from '../src/index.js'

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

t.test('Authorization: one token of one line, or several', async t => {
  const header = (authorization: string, ...rawHeaders: string[]) => findCredentials({ headers: { authorization }, query: {}, raw: { rawHeaders } }, new Set(), { header: true })
    .map(({ value }) => value)
  t.same(header('Bearer  a'), ['a'])
  t.same(header('Bearer a b'), ['a b'], 'more than a token')
  t.same(header('Bearer\ta'), [])
  t.same(header('Bearera'), [])
  const lines = ['Host', 'x', 'Authorization', 'Bearer a']
  t.same(header('Bearer a', ...lines), ['a'])
  t.same(header('Bearer a', ...lines, 'AUTHORIZATION', 'Bearer b'), ['a', ''])
  t.same(header('Basic a', ...lines, 'authorization', 'Bearer b'), ['a', ''], 'whatever their schemes')
  t.same(findCredentials({ headers: { authorization: 'Bearer a' }, query: {}, raw: {} }, new Set(), { header: true }).length, 1)
  t.equal(countHeader(undefined, 'host'), 0)
})

t.test('a cookie without = has no name, and only blanks and tabs are white space', async t => {
  const values = (cookie: string) => find({ headers: { cookie } }, { cookie: 'c' }).map(({ value }) => value)
  t.same(values('c; cX; c=1'), ['1'])
  t.same(values('\t c \t= 1 ;c=\t2'), ['1', '2'])
  t.same(values('\u00a0c=1; c=\u00a02'), ['\u00a02'])
  t.same(values('=c; =; c='), [''])
})
