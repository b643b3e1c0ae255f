import t from 'tap'
import { siegeOfTokens } from './jwt-doors.js'
import { KEYS, type Keys } from './jwts.js'

// `npm run test:siege` shows every token to every door, and has more kinds of keys.
for (const name of ['HS256', 'RS256']) {
  t.test(`no bad JWT opens a door, ${name}`, async t => {
    await siegeOfTokens(t, KEYS[name] as Keys, 30, 6)
  })
}
