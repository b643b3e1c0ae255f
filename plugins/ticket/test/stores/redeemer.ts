/**
 * One of several processes that share a database. It redeems the ticket that its parent sends 50 times in parallel, and
 * answers how many succeeded. It ends when its parent disconnects.
 *
 * Arguments: name of the store, URL, space.
 */
import { Tickets } from '../../src/tickets.js'
import { type StoreName, STORES } from './rows.js'

const TIMEOUT = 30_000

const [name, url, space] = process.argv.slice(2) as [StoreName, string, string]
const { store, connect, close } = await STORES[name].create(url, space, TIMEOUT)
await connect()
const tickets = new Tickets({
  store,
  audience: 'websocket',
  ttl: 30_000,
  reuse: false,
  storeTimeout: TIMEOUT,
  now: Date.now
})
process.on('message', async (ticket: string) => {
  const redeemed = await Promise.all(Array.from({ length: 50 }, () => tickets.redeem(ticket)))
  process.send?.(redeemed.filter(one => one !== null).length)
})
process.once('disconnect', close)
process.send?.('ready')
