import { setTimeout as sleep } from 'node:timers/promises'
import { Peer, Refused } from '../lib/peer.js'
import { all, handshake, open, type Target, ticketOf, ticketRequest } from './flow.js'

/** What a storm was like, seen from outside. */
export interface Storm {
  /** When the first client set out, and when each was in: nanoseconds on the machine's clock. */
  startedAt: number
  inAt: number[]
  /** Answers that said when to come back: 429 and 503. */
  sentBack: number
  /** Connections that failed, of clients that then tried again. */
  failed: number
}

const now = (): number => Number(process.hrtime.bigint())

/** Asks for a ticket on a connection of its own, and then goes in: a client that comes back after a failure. */
async function comeIn (target: Target, token: string, address: string): Promise<Peer> {
  const poster = new Peer(target.port, address)
  await poster.request(ticketRequest(token, 'close'))
  poster.socket.destroy()
  return await open(target, { token, ticket: ticketOf(poster) }, address)
}

/** Everybody at once. A client that is sent back waits for as long as it was told to. */
export async function storm (target: Target, tokens: readonly string[], addresses: readonly string[]): Promise<Storm> {
  const result: Storm = { startedAt: now(), inAt: [], sentBack: 0, failed: 0 }
  const peers: Peer[] = []
  await all(tokens.map((token, index) => ({ token, address: addresses[index % addresses.length] as string })), async ({ token, address }) => {
    for (;;) {
      try {
        peers.push(await comeIn(target, token, address))
        result.inAt.push(now())
        return
      } catch (error) {
        const wait = /retry-after: (\d+)/i.exec((error as Refused).head ?? '')?.[1]
        if (wait === undefined) result.failed++
        else result.sentBack++
        await sleep(1000 * Number(wait ?? 1))
      }
    }
  }, tokens.length)
  for (const { socket } of peers) socket.resetAndDestroy()
  return result
}

/** The same clients, so many at a time, each of which leaves in good order: what one of them costs. */
export async function procession (target: Target, tokens: readonly string[]): Promise<void> {
  await all(tokens, async token => {
    const poster = new Peer(target.port)
    await poster.request(ticketRequest(token, 'close'))
    poster.socket.destroy()
    await handshake(target, { token, ticket: ticketOf(poster) })
  })
}
