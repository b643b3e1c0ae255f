import t from 'tap'
import { hubPlacesOf, PENDING_TOTAL, pendingPlacesOf, Places, setPlaces } from '../src/index.js'

t.test('places are taken, passed on and given back, each once', t => {
  let used = 0
  let full = 0
  const places = new Places(3, { used: () => used, onFull: () => { full++ } })
  const [a, b, c, d] = [{}, {}, {}, {}]
  t.equal(places.take(a), true)
  t.equal(places.take(a), true, 'it has one already')
  t.equal(places.taken, 1)
  t.equal(places.take(b), true)
  used = 1
  t.equal(places.isFull, true)
  t.equal(full, 0, 'a question is no refusal')
  t.equal(places.take(c), false)
  t.equal(places.turnsAway(), true)
  t.equal(full, 2)
  places.pass(a, c)
  t.same([places.has(a), places.has(c)], [false, true])
  places.pass(a, d)
  t.equal(places.has(d), false, 'who has none passes none on')
  for (let i = 0; i < 3; i++) places.giveBack(a)
  t.equal(places.taken, 2)
  for (let i = 0; i < 3; i++) places.giveBack(c)
  t.equal(places.taken, 1)
  t.equal(places.turnsAway(), false)
  t.end()
})

t.test('a limit can be told, and the smallest counts', t => {
  const places = new Places(1)
  places.limitTo(3)
  places.limitTo(5)
  t.same([{}, {}, {}, {}].map(holder => places.take(holder)), [true, true, true, false])
  places.limitTo(2)
  t.equal(places.isFull, true)
  t.end()
})

t.test('a server has one pool of what is pending, and a hub may have places', t => {
  const server = {}
  t.equal(pendingPlacesOf(server), pendingPlacesOf(server))
  t.not(pendingPlacesOf(server), pendingPlacesOf({}))
  t.equal(PENDING_TOTAL, 10_000)
  const [bounded, unbounded] = [{}, {}]
  const places = new Places(1)
  setPlaces(bounded, places)
  setPlaces(unbounded, null)
  t.equal(hubPlacesOf({ wsHub: bounded }), places)
  t.same([unbounded, {}, undefined].map(wsHub => hubPlacesOf({ wsHub })), [null, null, null])
  t.equal(hubPlacesOf({}), null)
  t.end()
})
