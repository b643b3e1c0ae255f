import t from 'tap'
import { byteLength, isTick, printable, shorten, timestamp } from '../src/log/entries.js'

const TICKET = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl'

t.test('shortens credentials anywhere in a text', async t => {
  t.equal(shorten(`{"type":"auth","token":"${JWT}"}`), '{"type":"auth","token":"eyJhbGci…"}')
  t.equal(shorten(`airlock.v1, ticket.${TICKET}`), 'airlock.v1, ticket.AAECAw…')
  t.equal(shorten(`/ws/demo?ticket=${TICKET}`), '/ws/demo?ticket=AAECAw…')
  t.equal(shorten(`bearer.${JWT}, ${TICKET}`), 'bearer.eyJhbGci…, AAECAw…')
  t.equal(shorten('eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.'), 'eyJhbGci…', 'also without a signature')
  t.equal(shorten('{"type":"echo","data":"hello"}'), '{"type":"echo","data":"hello"}')
})

t.test('cuts a long text after shortening its credentials', async t => {
  t.equal(printable('short'), 'short')
  const text = printable(`{"token":"${JWT}","padding":"${'x'.repeat(9_000)}"}`)
  t.ok(text.length < 300)
  t.ok(text.endsWith('xxx… (cut)'))
  t.notMatch(printable(`${'x '.repeat(115)}${JWT}`), /eyJhbGciO/, 'the cut does not leave half a JWT')
})

t.test('recognizes ticks, and formats sizes and times', async t => {
  t.ok(isTick('{"type":"tick","n":3}'))
  t.notOk(isTick('{"type":"echo","data":"{\\"type\\":\\"tick\\"}"}'))
  t.equal(byteLength('é€'), 5)
  t.match(timestamp(1_800_000_000_007), /^\d\d:\d\d:\d\d\.007$/)
})
