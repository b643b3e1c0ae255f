import { randomBytes } from 'node:crypto'
import { Peer, Refused } from '../lib/peer.js'
import { type Credential, dialects, ORIGIN } from './dialects.js'
import { all, handshake, type Target, withTickets } from './flow.js'

/** Why an upgrade is refused. */
export const KINDS = ['no credential', 'unknown ticket', 'used ticket', 'foreign Origin'] as const

/** One of {@link KINDS}, or all of them by turns. */
export type Kind = typeof KINDS[number] | 'mixed'

/** Tickets that are shown over and over; a server without tickets is shown what looks like one. */
const TICKETS = 64

const madeUp = (): string[] => Array.from({ length: TICKETS }, () => randomBytes(32).toString('base64url'))

/** Headers of upgrades that will be refused. What this takes from the server is not measured. */
export async function prepare (target: Target, tokens: readonly string[]): Promise<Record<typeof KINDS[number], string[][]>> {
  const [used, fresh] = dialects[target.dialect].tickets ? [[] as string[], [] as string[]] : [madeUp(), madeUp()]
  if (used.length === 0) {
    await withTickets(target, tokens.slice(0, TICKETS), async (credential: Credential) => {
      await handshake(target, credential)
      used.push(credential.ticket)
    })
    await withTickets(target, tokens.slice(TICKETS, 2 * TICKETS), async ({ ticket }) => { fresh.push(ticket) })
  }
  const show = (tickets: string[], origin = ORIGIN): string[][] => tickets.map(ticket =>
    [`Origin: ${origin}`, `Sec-WebSocket-Protocol: airlock.v1, ticket.${ticket}`])
  return {
    'no credential': [[`Origin: ${ORIGIN}`]],
    'unknown ticket': show(madeUp()),
    'used ticket': show(used),
    // The ticket is good: this is the page of somebody else that got hold of one. It is not used up.
    'foreign Origin': show(fresh, 'https://elsewhere.example')
  }
}

/** Has upgrades refused, until the server has closed the connection. */
export async function refusals (
  { port, route }: Target, prepared: Record<typeof KINDS[number], string[][]>, kind: Kind, count: number
): Promise<void> {
  await all(Array.from({ length: count }, (_, index) => index), async index => {
    const headers = prepared[kind === 'mixed' ? KINDS[index % KINDS.length] as typeof KINDS[number] : kind]
    const peer = new Peer(port)
    await peer.upgrade(route, headers[index % headers.length])
    if (!peer.head.startsWith('HTTP/1.1 4')) throw new Refused(peer.head)
    await peer.closed()
  })
}
