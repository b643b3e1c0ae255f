import { clientFrame, closeFrame, Peer, Refused } from '../lib/peer.js'
import { type Credential, type Dialect, type DialectName, dialects } from './dialects.js'

/** Where a load goes. */
export interface Target { port: number, dialect: DialectName, route: string }

/** How many clients are under way at once, unless a row says otherwise. */
export const WORKERS = 64

/** Opens a connection and takes it through every door. */
export async function open ({ port, dialect, route }: Target, credential: Credential, address?: string): Promise<Peer> {
  const { path = route, headers, greets, hello, welcome = '' }: Dialect = dialects[dialect]
  const peer = new Peer(port, address)
  await peer.upgrade(path, headers(credential), greets === true ? 1 : 0)
  if (!peer.head.startsWith('HTTP/1.1 101')) {
    peer.socket.destroy()
    throw new Refused(peer.head)
  }
  if (hello !== undefined) await peer.exchange(clientFrame(1, Buffer.from(hello(credential))), welcome)
  return peer
}

/** Opens a connection and closes it in good order. */
export async function handshake (target: Target, credential: Credential): Promise<void> {
  const peer = await open(target, credential)
  peer.socket.write(closeFrame)
  await peer.closed()
}

/** The request for a ticket. */
export function ticketRequest (token: string, connection = 'keep-alive'): string {
  return [
    'POST /ws/ticket HTTP/1.1', 'Host: localhost', `Authorization: Bearer ${token}`,
    `Connection: ${connection}`, 'Content-Length: 0', '', ''
  ].join('\r\n')
}

/** Reads the ticket in the answer. */
export function ticketOf ({ head, body }: Peer): string {
  if (!head.startsWith('HTTP/1.1 201')) throw new Refused(head)
  return (JSON.parse(body.toString()) as { ticket: string }).ticket
}

/** Asks for tickets on a connection that is kept alive, as a page does. */
export class Poster {
  #peer: Peer | undefined

  constructor (readonly port: number) {}

  async ticket (token: string): Promise<string> {
    if (this.#peer === undefined || this.#peer.socket.destroyed) this.#peer = new Peer(this.port)
    await this.#peer.request(ticketRequest(token))
    return ticketOf(this.#peer)
  }

  close (): void {
    this.#peer?.socket.destroy()
  }
}

/** Runs a task for each item, so many at a time; tells it which of the workers it runs on. */
export async function all<T> (
  items: readonly T[], task: (item: T, worker: number) => Promise<unknown>, workers = WORKERS
): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: workers }, async (_, worker) => {
    while (next < items.length) await task(items[next++] as T, worker)
  }))
}

/** Runs a task for each token with a ticket that is asked for right before, where the server knows tickets. */
export async function withTickets (
  { port, dialect }: Target, tokens: readonly string[], task: (credential: Credential) => Promise<unknown>, workers = WORKERS
): Promise<void> {
  if (!dialects[dialect].tickets) return await all(tokens, token => task({ token, ticket: '' }), workers)
  const posters = Array.from({ length: workers }, () => new Poster(port))
  await all(tokens, async (token, worker) => {
    await task({ token, ticket: await (posters[worker] as Poster).ticket(token) })
  }, workers)
  for (const poster of posters) poster.close()
}
