import t from 'tap'
import { PeerClock } from '../src/peer-clock.js'

t.test('the message with the least delay knows best', async t => {
  const clock = new PeerClock()
  // The other clock is 1,000 ms behind.
  t.equal(clock.observe(0, 1_050), 0, 'the first is all that is known')
  t.equal(clock.translate(0), 1_050)
  t.equal(clock.observe(100, 1_110), 0)
  t.equal(clock.translate(100), 1_110)
  t.equal(Math.round(clock.observe(200, 1_500)), 290, 'this one was on its way for longer')
  t.equal(Math.round(clock.translate(200)), 1_210)
})

t.test('an answer says at least when it was given', async t => {
  const clock = new PeerClock()
  clock.observe(100, 1_100)
  clock.correct(200, 1_150, 1_250)
  t.equal(clock.translate(200), 1_200, 'it fits')
  // The other clock stood still for a minute meanwhile.
  clock.correct(300, 61_250, 61_400)
  t.equal(clock.translate(300), 61_400)
})
