import t from 'tap'
import { Log, MAX_ENTRIES } from '../src/log/log.js'

function build () {
  let flush: (() => void) | undefined
  let scheduled = 0
  const log = new Log(later => {
    scheduled++
    flush = later
  })
  return { log, flush: () => flush?.(), scheduled: () => scheduled }
}

t.test('publishes entries together', async t => {
  const { log, flush, scheduled } = build()
  let changes = 0
  log.entries.subscribe(() => { changes++ })
  log.message('out', 'main', '{"type":"echo","data":"é"}')
  log.message('in', 'main', '{"type":"tick","n":1}')
  log.event('http', 'GET /healthz: 200')
  log.bad('main', 'closed: 1006')
  t.same(log.entries.get(), [])
  t.equal(scheduled(), 1)
  flush()
  t.equal(changes, 1)
  t.match(log.entries.get(), [
    { id: 1, kind: 'out', lane: 'main', bytes: 27, tick: false },
    { id: 2, kind: 'in', bytes: 21, tick: true },
    { id: 3, kind: 'event', lane: 'http', bytes: null },
    { id: 4, kind: 'bad', text: 'closed: 1006' }
  ])
  t.same(log.traffic, { received: 1, sent: 1 })
})

t.test('limits the entries, in the list and on the way to it', async t => {
  const { log, flush } = build()
  for (let n = 1; n <= 3 * MAX_ENTRIES; n++) log.message('in', 'main', String(n))
  flush()
  const entries = log.entries.get()
  t.equal(entries.length, MAX_ENTRIES)
  t.equal(entries.at(-1)?.text, String(3 * MAX_ENTRIES))
  t.equal(log.traffic.received, 3 * MAX_ENTRIES, 'all messages count')
})

t.test('clear() drops earlier entries, not later ones', async t => {
  const { log, flush } = build()
  log.event('main', 'before')
  log.clear()
  flush()
  t.same(log.entries.get(), [])
  log.event('main', 'after')
  flush()
  t.match(log.entries.get(), [{ text: 'after' }])
})

t.test('records the size of binary messages', async t => {
  const { log, flush } = build()
  log.message('in', 'main', new ArrayBuffer(12))
  log.message('out', 'main', new Uint8Array(3))
  log.message('out', 'main', {})
  flush()
  t.match(log.entries.get(), [{ text: '(binary)', bytes: 12 }, { bytes: 3 }, { bytes: null }])
})
